"""Ids and tags that resemble others: only exact equality tells them apart."""

from shape import standard_dag

report = standard_dag("report", [])
dots_in_id = standard_dag("dots.in.id", ["dots"])
dots_in = standard_dag("dots.in", [])
dots = standard_dag("dots", [])
# The `а` of this id and the `е` of this tag are Cyrillic.
cyrillic = standard_dag("fin_d\u0430ily", ["t\u0435am:finance"])
longest = standard_dag("l" * 250, ["t" * 100])
odd_tags = standard_dag(
    "odd_tags",
    [
        "Team:Finance",
        "team:finance ",
        " team:finance",
        "team:financ",
        "team:finance2",
        "team%3Afinance",
        "team:%",
        "team_finance",
        "~",
        "%2F",
        "' OR '1'='1",
    ],
)
