"""The bytes that run, by revision, from what kubelets say of containers."""

import msgspec

from app.domain.revisions import Revision
from app.domain.rollout import Health, Phase, Pod, PodCondition, RolloutState
from app.engines.digests import MOST, with_digests
from app.engines.shapes import Pod as Seen

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")


def seen(name: str, *image_ids: str) -> Seen:
    statuses = [{"name": f"c{n}", "imageID": image_id} for n, image_id in enumerate(image_ids)]
    body = {"metadata": {"name": name, "uid": name}, "status": {"containerStatuses": statuses}}
    return msgspec.json.decode(msgspec.json.encode(body), type=Seen)


def state(**owners: str) -> RolloutState:
    new, old = Revision("new"), Revision("old")
    pods = tuple(Pod(name, key, key == "new", PodCondition.READY) for name, key in owners.items())
    return RolloutState(
        Phase.PROGRESSING, Health.HEALTHY, revision=new, stable=old, revisions=(new, old), pods=pods
    )


def test_each_revision_has_the_digests_of_its_pods_in_the_order_of_containers():
    pods = [seen("p", f"h/app@{B}", f"docker://{A}"), seen("q", f"h/app@{B}", A), seen("r", f"h/app@{C}")]
    found = with_digests(state(p="new", q="new", r="old"), pods)
    assert found.revision is not None
    assert found.stable is not None
    assert (found.revision.digests, found.stable.digests) == ((B, A), (C,))
    assert found.revisions == (found.revision, found.stable)


def test_pods_that_have_not_pulled_or_are_nobodys_say_nothing():
    before = state(p="new")
    assert with_digests(before, [seen("p", "", "some-image-id"), seen("stranger", A)]) == before


def test_digests_of_one_revision_are_bounded():
    pods = [seen(f"p{n}", f"sha256:{n:064x}") for n in range(50)]
    found = with_digests(state(**{f"p{n}": "new" for n in range(50)}), pods)
    assert found.revision is not None
    assert len(found.revision.digests) == MOST
