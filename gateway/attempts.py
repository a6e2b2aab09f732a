"""Log-ins that are tried: few for one user and from one address, right or wrong."""

from gateway.passwords import Passwords
from gateway.rates import Rates, network_of
from models.errors import TooManyRequests


class Attempts:
    """Counts before it compares, so that many at the same time are counted too."""

    def __init__(self, rates: Rates, passwords: Passwords) -> None:
        self._rates = rates
        self.match = passwords.match

    async def count(self, alias: str, address: str) -> None:
        """Raise TooManyRequests when too many were tried lately."""
        waits = [
            one.seconds
            for who in (f"user {alias}", f"address {network_of(address)}")
            for one in await self._rates.try_login(who)
            if not one.allowed
        ]
        if waits:
            raise TooManyRequests("Too many log-ins were tried.", retry_after=max(waits))
