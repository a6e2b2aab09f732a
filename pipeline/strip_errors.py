"""What strippers say of a file that they do not understand."""


class Unfit(Exception):
    """The file is not laid out as it should be: nothing can be left out of it safely."""
