"""The owners of fields are read from what API servers send."""

from management.workload_changes.field_conflicts import FieldConflict, field_conflicts


def cause(field: str, message: str, reason: str = "FieldManagerConflict") -> dict[str, str]:
    return {"reason": reason, "field": field, "message": message}


def test_conflicts_have_field_and_owner() -> None:
    details = {
        "causes": [
            cause(
                ".spec.replicas", 'conflict with "kubectl" with subresource "scale" using apps/v1'
            ),
            cause(".data.a", 'conflict with "helm" using v1'),
            cause(".data.b", "conflict"),
            cause(".spec", "is required", "FieldValueRequired"),
        ]
    }
    assert field_conflicts(details) == [
        FieldConflict(".data.a", "helm"),
        FieldConflict(".data.b", "another field manager"),
        FieldConflict(".spec.replicas", "kubectl (subresource scale)"),
    ]


def test_malformed_details_have_no_conflicts() -> None:
    for details in ({}, {"causes": None}, {"causes": [1]}, {"causes": [{"reason": 3}]}):
        assert field_conflicts(details) == []


def test_long_or_invisible_text_is_cut_and_replaced() -> None:
    (one,) = field_conflicts({"causes": [cause("x" * 10_000, 'conflict with "a\u202eb"')]})
    assert (len(one.field), one.owner) == (512, "a\N{REPLACEMENT CHARACTER}b")
