// The events that are no alarms, a line each. Threading: constants.
#pragma once

#include <array>

#include "control/catalogue/catalogue.h"

namespace headgate::catalogue {

inline constexpr std::array kEventTable{
    EventKind{"channel_state", "info, warning, critical", Scope::channel,
              "A channel went from one state to another, with the reason; or, once, nothing came within 2 s "
              "since it was started, added or given another input.",
              "See \"Channel states\"."},
    EventKind{"alarm_over", "info", Scope::gateway,
              "An alarm is over; the message says which, after how long, and what it was.", "-"},
    EventKind{"alarm_acknowledged", "info", Scope::gateway, "Somebody has taken an alarm: who.", "-"},
    EventKind{"maintenance", "info", Scope::channel,
              "Planned work on a channel, or on all with a tag, began or ended: its alarms are shown, and "
              "neither counted nor delivered.",
              "-"},
    EventKind{"input_switched", "info, warning", Scope::channel,
              "Another input is on air; info: a preferred one came back.", "-"},
    EventKind{
        "scte35", "info", Scope::channel,
        "A cue (SCTE 35) came with the input on air: its command, break and segmentation, its PTS and how "
        "far ahead of the service's clock that lies. Repetitions are not told.",
        "None; a break that is missed has its cue, or the lack of it, here."},
    EventKind{"switch", "info", Scope::channel,
              "An input was forced (`headgate switch`), by whom; or automatic again.", "-"},
    EventKind{"kicked", "info", Scope::channel,
              "A session was ended by an operator (`headgate kick`): which and by whom.", "-"},
    EventKind{
        "process_died", "critical", Scope::process,
        "A process ended unexpectedly; the launcher starts it again at once.",
        "One alone: send the log around it to whoever maintains Headgate. Again and again: `crash_loop`."},
    EventKind{
        "process_hung", "critical", Scope::process,
        "A process lived and did not answer for 10 s (20 s where it never answered since it or its watcher "
        "was started), stopped or in an endless loop: it was killed, and the launcher starts it again.",
        "As `process_died`. A debugger that holds a process does the same."},
    EventKind{"process_restarted", "warning", Scope::process, "A process runs again, under a new pid.", "-"},
    EventKind{"launcher_back", "info", Scope::process, "The launcher answers, or was started again.", "-"},
    EventKind{"start", "info, critical", Scope::gateway,
              "Control started with so many channels; critical: the processes did not take the map.",
              "The message names the process and its reason."},
    EventKind{"adopted", "info", Scope::gateway,
              "Control was restarted under the same launcher or while media ran, and took over the map that "
              "runs; it says whether media went on or which process was started again too; `process_died` "
              "beside it says whether control had died.",
              "`headgate plan` shows whether the files differ."},
    EventKind{"apply", "info", Scope::gateway, "A map was applied, by whom, with a summary and its number.",
              "-"},
    EventKind{"rollback", "info", Scope::gateway,
              "An older map was applied, by whom; the message also says that the files hold another.",
              "Mend the files, see \"Going back\"."},
    EventKind{"map_rejected", "warning", Scope::gateway,
              "An apply was refused: errors in the files, or keys that can't change at run time.",
              "`headgate check --config FILE`, mend, `headgate apply`."},
    EventKind{
        "apply_failed", "warning, critical", Scope::gateway,
        "A process refused the map. Warning: everything was put back. Critical: putting back failed too.",
        "The message names the process and its reason."},
    EventKind{
        "state_repaired", "warning", Scope::process,
        "A state file in run_dir/state was damaged or gone while its process did not answer; control wrote "
        "it anew.",
        "Find out who writes into run_dir."},
    EventKind{"history", "warning", Scope::gateway,
              "The map of the start runs but could not be stored (an apply of such a map is refused).",
              "Disk space and owner of data_dir."},
    EventKind{"state", "critical", Scope::process, "Control could not write a state file.",
              "Space and owner of run_dir."},
};

}  // namespace headgate::catalogue
