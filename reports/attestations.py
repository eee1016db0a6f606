"""What no run can show and somebody states instead: who, when, and in which document."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Attestation:
    """A statement by name about one item of a certification profile.

    `sha256` is the hash of the document in hexadecimal. `place` says where it was written.
    """

    item: str
    who: str
    when: date
    document: str
    sha256: str
    says: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """Why the target does not claim a property, by name."""

    suite: str
    property: str
    who: str
    when: date
    reason: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Attestations:
    """All that is stated of one version of one product."""

    product: str
    version: str
    items: tuple[Attestation, ...] = ()
    not_claimed: tuple[Statement, ...] = ()

    def of(self, item: str) -> Attestation | None:
        """The attestation of an item, None if there is none."""
        return next((one for one in self.items if one.item == item), None)

    def statement(self, suite: str, name: str) -> Statement | None:
        """Why a property is not claimed, None if nobody says."""
        found = (one for one in self.not_claimed if (one.suite, one.property) == (suite, name))
        return next(found, None)


@dataclass(frozen=True, slots=True)
class Item:
    """What a certification profile asks somebody to attest.

    `document` is `policy` where the document has to be the policy file that the run went by.
    `clauses` are those that the attestation speaks to.
    """

    id: str
    asks: str
    clauses: tuple[str, ...] = ()
    document: str = ""


@dataclass(frozen=True, slots=True)
class Lack:
    """Why an item is not attested, and what to do."""

    item: Item
    says: str
    do: str


def lacking(
    items: Sequence[Item],
    given: Attestations | None,
    *,
    policy: str,
    oldest_days: int,
    today: date,
) -> Iterator[Lack]:
    """What `items` ask for and `given` does not say, or no longer, or not of this run.

    `policy` is the SHA-256 of the policy file that the run went by.
    """
    for item in items:
        one = given.of(item.id) if given else None
        if one is None:
            yield Lack(item, "nobody attests it", f"have somebody answer: {item.asks}")
        elif one.when > today:
            says = f"it is dated {one.when}, which has not come yet"
            yield Lack(item, says, "put the day on which it was signed")
        elif (today - one.when).days > oldest_days:
            says = f"it is of {one.when}, older than {oldest_days} days"
            yield Lack(item, says, "have it looked at and signed again")
        elif item.document == "policy" and one.sha256 != policy:
            says = "the document is not the policy file that the run went by"
            yield Lack(item, says, "review policy.yaml as it was used, and give its SHA-256")
