"""calotype doctor: everything that may stand in the way, looked at one by one."""
