"""What a node tells over HTTP beside /healthz and /metrics, and what can be done to it. For people and tests.

GET    /pods                       what it runs (`Kubelet.told`)
GET    /artifacts                  what its driver can restore now
DELETE /artifacts/NAMESPACE/KEY    take an artifact away, behind the back of everybody else
POST   /contact/lose               be out of touch with the cluster; processes go on
POST   /contact/regain             be in touch again
"""

from __future__ import annotations

from dataclasses import asdict

from aiohttp import web

from reference.snapstart.drivers.driver import Driver
from reference.snapstart.node.kubelet import Kubelet
from reference.snapstart.node.registration import Contact


def routes(kubelet: Kubelet, contact: Contact, driver: Driver | None) -> list[web.RouteDef]:
    """The routes of one node."""

    async def pods(_request: web.Request) -> web.Response:
        return web.json_response(kubelet.told())

    async def artifacts(_request: web.Request) -> web.Response:
        found = [] if driver is None else await driver.list()
        return web.json_response(
            [{**asdict(artifact), "created_at": artifact.created_at.isoformat()} for artifact in found]
        )

    async def delete(request: web.Request) -> web.Response:
        namespace, key = request.match_info["namespace"], request.match_info["key"]
        if driver is None or await driver.inspect(namespace, key) is None:
            raise web.HTTPNotFound(text=f"there is no artifact {namespace}/{key}\n")
        await driver.delete(namespace, key)
        return web.Response(text="deleted\n")

    async def lose(_request: web.Request) -> web.Response:
        contact.lose()
        return web.Response(text="out of touch\n")

    async def regain(_request: web.Request) -> web.Response:
        contact.regain()
        return web.Response(text="in touch\n")

    return [
        web.get("/pods", pods),
        web.get("/artifacts", artifacts),
        web.delete("/artifacts/{namespace}/{key}", delete),
        web.post("/contact/lose", lose),
        web.post("/contact/regain", regain),
    ]
