"""The reference substrate: ateapi, atecontroller and the router of Agent Substrate in one program."""
