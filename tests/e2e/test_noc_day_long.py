"""A whole day of a NOC, for `scripts/test --long`: some minutes, as alarms have their time to come and to go."""
from support.noc_day import Day
from support.rig import Rig


def test_each_trouble_of_a_day_is_named_and_nothing_else():
    with Rig(membership_interval=Day.FORGETS) as rig, Day(rig) as day:
        day.cable_pulled()
        day.source_silent()
        day.scrambled()
        day.pid_lost()
        day.bitrate_halved()
        day.cc_errors()
        day.target_refuses()
        day.disk_full()
        day.cpu_hogged()
        day.clock_stepped()
        day.broken_file()
        day.wrong_edit()
        day.right_edit()
        day.wrong_edit()
        day.rollback()
        day.querier_gone()
