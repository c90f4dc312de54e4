"""A day of a NOC in short; the whole of it: test_noc_day_long.py."""
from support.noc_day import Day


def test_a_target_and_an_edit_are_named_and_nothing_else(rig):
    with Day(rig) as day:
        day.target_refuses()
        day.wrong_edit()
        day.rollback()
        day.right_edit()
