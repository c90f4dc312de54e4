// The alarms, a line each, the gravest scopes first. Threading: constants.
#pragma once

#include <array>

#include "control/catalogue/catalogue.h"

namespace headgate::catalogue {

namespace alarm_times {
using Time = std::chrono::milliseconds;
// The observer has a hysteresis of its own.
inline constexpr Time kAtOnce{0};
// A trouble that comes and goes is one alarm.
inline constexpr Time kCalm{5000};
inline constexpr Time kMinute{60'000};
}  // namespace alarm_times

inline constexpr std::array kAlarmTable{
    // What all channels hang on.
    AlarmKind{"link_down", Severity::critical, Scope::interface, Culprit::nic, "An interface has no link.",
              "Cable, optics, switch port, the far end.", alarm_times::Time(500), alarm_times::kCalm},
    AlarmKind{"no_querier", Severity::warning, Scope::network, Culprit::network,
              "Groups are joined, and no IGMP querier was heard for 375 s, or, where at least three of its "
              "intervals were seen, for twice the longest and 10 s: a switch that snoops stops forwarding "
              "them, all at once.",
              "Every VLAN needs a querier: the multicast router, or a switch told to play it. See \"IGMP "
              "snooping and queriers\".",
              alarm_times::kAtOnce, alarm_times::kAtOnce},
    AlarmKind{"process_silent", Severity::critical, Scope::process, Culprit::gateway,
              "The fast path or the bridge has not answered for 4 s: what `status` shows of it stands still. "
              "Its channels say so instead of blaming the source.",
              "Nothing: it is killed and started again after 10 s (`process_hung`). Often again: as "
              "`process_died`.",
              alarm_times::kAtOnce, alarm_times::kAtOnce},
    AlarmKind{"transcode_silent", Severity::warning, Scope::process, Culprit::gateway,
              "The transcode process has not answered for 4 s: channels may lack AAC, derived renditions and "
              "thumbnails, and nobody watches their pictures and sound.",
              "As for `process_silent`.", alarm_times::kAtOnce, alarm_times::kAtOnce},
    AlarmKind{
        "crash_loop", Severity::critical, Scope::process, Culprit::gateway,
        "A process died four times within a minute; the launcher waits longer and longer (at most 10 s) "
        "between its starts.",
        "The process says why on its last line in the log (`journalctl -u headgate`). Often: an "
        "interface that is gone, huge pages that are used up, a full run_dir. `headgate apply "
        "--rollback` if it began with an apply.",
        alarm_times::kAtOnce, alarm_times::kAtOnce},
    AlarmKind{"launcher_lost", Severity::critical, Scope::process, Culprit::gateway,
              "`headgate run` does not run, or does not answer; media goes on and /readyz stays 200, but "
              "nothing that dies is started again.",
              "`systemctl status headgate`, `systemctl restart headgate`: a new launcher adopts what runs.",
              alarm_times::kAtOnce, alarm_times::kAtOnce},
    AlarmKind{"state_lost", Severity::critical, Scope::process, Culprit::host,
              "A state file in run_dir/state is damaged or gone and can't be written anew, so its process "
              "can't start.",
              "The message says why, most often a full run_dir: make room.", alarm_times::kAtOnce,
              alarm_times::kAtOnce},
    AlarmKind{"apply_pending", Severity::critical, Scope::gateway, Culprit::gateway,
              "A process runs another map than the applied one and refuses it; control tries again every few "
              "seconds.",
              "The message names it; /readyz is 503 until it is over.", alarm_times::kAtOnce,
              alarm_times::kAtOnce},
    AlarmKind{"map_rejected", Severity::critical, Scope::gateway, Culprit::map,
              "At the start the files had errors, so the map that was applied last runs.",
              "`headgate check --config FILE`, mend, `headgate apply`.", alarm_times::kAtOnce,
              alarm_times::kAtOnce},
    AlarmKind{
        "files_invalid", Severity::warning, Scope::gateway, Culprit::map,
        "The files on disk have errors. What runs is not touched, but they can't be applied, and a cold "
        "start would run the map that was applied last.",
        "`headgate check --config FILE`, mend, `headgate apply`.", alarm_times::kCalm, alarm_times::kAtOnce},
    AlarmKind{"map_differs", Severity::warning, Scope::gateway, Culprit::map,
              "The files have held another map than the one that runs for 10 minutes: a start would run it.",
              "`headgate plan` shows what differs; `headgate apply`, or put the files back.",
              10 * alarm_times::kMinute, alarm_times::kAtOnce},
    AlarmKind{"admin_server", Severity::critical, Scope::gateway, Culprit::map,
              "The admin address can't be listened on; media and the command line are not touched.",
              "`ss -ltnp` shows who has the port; change `servers.admin.listen` and apply.",
              alarm_times::kAtOnce, alarm_times::kAtOnce},
    AlarmKind{"disk_full", Severity::critical, Scope::gateway, Culprit::host,
              "run_dir or data_dir has less than 5 % and less than 1 GB left. In a full run_dir HLS segments "
              "become gaps and "
              "processes can't start; with a full data_dir no map can be applied.",
              "`df -h` and `du` on the path that the message names; make room, or make it larger.",
              alarm_times::kAtOnce, alarm_times::kCalm},
    AlarmKind{
        "host_overload", Severity::warning, Scope::gateway, Culprit::host,
        "This machine gives the gateway too little CPU: frames were dropped because nobody fetched them "
        "in time, or tasks wait for a processor.",
        "`top`: who takes the CPU? A core of its own for the fast path (`fastpath.cores`), fewer channels "
        "on this node, other programs elsewhere.",
        alarm_times::kAtOnce, alarm_times::kCalm},
    AlarmKind{"clock_stepped", Severity::warning, Scope::gateway, Culprit::host,
              "The machine's clock was set while the gateway ran. Media does not follow it; times of events, "
              "`since` and tokens do. Stands for a minute.",
              "`chronyc tracking` or `timedatectl`: the clock should be slewed, not stepped.",
              alarm_times::kAtOnce, alarm_times::kAtOnce},
    AlarmKind{"webhook_failing", Severity::warning, Scope::gateway, Culprit::target,
              "Alarms have not reached `alarms.webhook` for a minute; up to 1,000 wait and are sent later.",
              "The message says what the receiver, or the way to it, answered; address, certificate, "
              "firewall.",
              alarm_times::kMinute, alarm_times::kAtOnce},

    // What a channel is without.
    AlarmKind{"channel_down", Severity::critical, Scope::channel, Culprit::source,
              "Nothing comes: no datagram for 2 s, or none yet.",
              "`headgate why CHANNEL`; see \"A channel is down\".", alarm_times::kAtOnce, alarm_times::kCalm},
    AlarmKind{"passphrase_unreadable", Severity::critical, Scope::channel, Culprit::map,
              "An SRT channel, or a server by its address, is closed: its passphrase can't be read from its "
              "file any more, and it must not go out in clear.",
              "Put the file back (`headgate check` reads it), then `headgate apply`.", alarm_times::kAtOnce,
              alarm_times::kAtOnce},
    AlarmKind{"key_unreadable", Severity::critical, Scope::input, Culprit::map,
              "An RTMPS server, a publish input, an SRT input or a push is closed: its certificate, key or "
              "passphrase can't be read from its file any more.",
              "Put the file back (`headgate check` reads it), then `headgate apply`.", alarm_times::kAtOnce,
              alarm_times::kAtOnce},
    AlarmKind{"scrambled", Severity::critical, Scope::channel, Culprit::source,
              "Most packets are scrambled: nobody can show them.",
              "Take the service in the clear: ask who scrambles, or the descrambler before this gateway.",
              alarm_times::kAtOnce, alarm_times::kCalm},
    AlarmKind{"program_missing", Severity::critical, Scope::channel, Culprit::source,
              "Packets come, but the program that the map names is not in the stream.",
              "`headgate probe URL` lists the programs that come; correct `program`, or ask the source.",
              alarm_times::kAtOnce, alarm_times::kCalm},
    AlarmKind{
        "picture_black", Severity::critical, Scope::channel, Culprit::source,
        "The picture has been black for longer than `alarms.black` (3 s): nothing in it is brighter than "
        "a dark grey, no lights, no logo, no text.",
        "The source; compare its other outputs. `failover.when: [black]` goes to another input by itself.",
        alarm_times::kAtOnce, alarm_times::kAtOnce},
    AlarmKind{"picture_frozen", Severity::critical, Scope::channel, Culprit::source,
              "The picture stopped within a shot and stands for longer than `alarms.frozen` (3.5 s).",
              "As for black: the source's camera, player or encoder stands. `failover.when: [frozen]`.",
              alarm_times::kAtOnce, alarm_times::kAtOnce},
    AlarmKind{
        "sound_silent", Severity::critical, Scope::channel, Culprit::source,
        "All sound tracks have been silent (RMS under -70 dBFS) for longer than `alarms.silence` (3 s).",
        "The source's sound. `failover.when: [silence]`.", alarm_times::kAtOnce, alarm_times::kAtOnce},

    // What a channel suffers from.
    AlarmKind{"failover_active", Severity::warning, Scope::channel, Culprit::source,
              "A channel is on another input than its first; the message says why.",
              "Mend the first input, or `headgate switch CHANNEL auto` where one is forced.",
              alarm_times::kAtOnce, alarm_times::kAtOnce},
    AlarmKind{
        "input_down", Severity::warning, Scope::input, Culprit::source,
        "An input of a channel with several is unfit (no_data, pcr, …) or can't be reached. Of one alone "
        "the channel is down; a publish input without an encoder is no alarm.",
        "The message names the input, its troubles and what its server said.", alarm_times::kAtOnce,
        alarm_times::kAtOnce},
    AlarmKind{
        "wrong_source", Severity::warning, Scope::input, Culprit::source,
        "Datagrams of a group that the map takes come from another source than the one it names; they "
        "are dropped (`wrong_source`).",
        "Two sources send to one group, or the map names the wrong one. Correct `SOURCE@GROUP`, or take "
        "any source.",
        alarm_times::kAtOnce, alarm_times::kCalm},
    AlarmKind{
        "wrong_format", Severity::warning, Scope::input, Culprit::map,
        "Datagrams of an input are dropped because they are not what the map says: no packets of 188 "
        "bytes, RTP where it says udp://, fragments. The message names the reasons.",
        "See the drop reason of that name: most often `udp://` for `rtp://` or the other way round, or a "
        "sender of 204-byte packets.",
        alarm_times::kAtOnce, alarm_times::kCalm},
    AlarmKind{"no_sync", Severity::warning, Scope::channel, Culprit::source,
              "Packets come that do not begin with 0x47.",
              "Encrypted, or no transport stream: the sender's output format.", alarm_times::kAtOnce,
              alarm_times::kCalm},
    AlarmKind{
        "cc_errors", Severity::warning, Scope::channel, Culprit::network,
        "Continuity errors: packets were lost before they came here, as many as `alarms.cc_errors` names "
        "(10/min).",
        "One channel: its source. All of a VLAN or interface: the network; the switch's port counters "
        "say where. With drops on this node at the same time: `host_overload`.",
        alarm_times::kAtOnce, alarm_times::kCalm * 2},
    AlarmKind{
        "transport_errors", Severity::warning, Scope::channel, Culprit::source,
        "Packets with transport_error_indicator: a receiver before us (satellite, cable) could not mend "
        "them.",
        "Signal and receiver at the source.", alarm_times::kAtOnce, alarm_times::kCalm},
    AlarmKind{
        "pid_lost", Severity::warning, Scope::track, Culprit::source,
        "A PID that came steadily has been gone for 5 s while the stream goes on.",
        "The source's encoder or multiplexer lost a track. If it was taken out on purpose: the alarm ends "
        "with the PMT that does not name it, or after an hour.",
        alarm_times::kAtOnce, alarm_times::kCalm},
    AlarmKind{"pcr", Severity::warning, Scope::channel, Culprit::source,
              "No PCR for a second while packets come: receivers lose their clock.",
              "The source's multiplexer: PCR PID in the PMT, PCR interval.", alarm_times::Time(1000),
              alarm_times::kCalm},
    AlarmKind{"bitrate", Severity::warning, Scope::channel, Culprit::source,
              "The bitrate is outside of `alarms.bitrate`.",
              "Below: the source's encoder or multiplexer lost tracks or quality. Above: its rate control.",
              alarm_times::Time(3000), alarm_times::kCalm},
    AlarmKind{"lost_in_node", Severity::warning, Scope::channel, Culprit::host,
              "Packets were lost between the port and the outputs of this node: `ring_full`, "
              "`output_queue_full`, `output_link_down`, `rate_exceeded` and the like.",
              "The drop reason of that name under \"Drop reasons\"; `headgate status CHANNEL` counts them.",
              alarm_times::kAtOnce, alarm_times::kCalm},
    AlarmKind{"players_get_nothing", Severity::warning, Scope::channel, Culprit::source,
              "Packets come, and players get nothing, or not all; the message says why.",
              "See hls.md, \"A channel that brings nothing to players\".", alarm_times::kCalm,
              alarm_times::kCalm},
    AlarmKind{"program_unset", Severity::warning, Scope::channel, Culprit::map,
              "Several services come in and the map names none; HLS and RTMP take the one named (SRT and TS "
              "over HTTP carry all, but with `remux` that one too).",
              "`program:` in the map.", alarm_times::kAtOnce, alarm_times::kAtOnce},
    AlarmKind{"buffer_underflow", Severity::warning, Scope::input, Culprit::source,
              "An input's buffer ran empty in the last minute: receivers saw a pause.",
              "The source or the way to it stalls for longer than `remux.buffer`: make that longer.",
              alarm_times::kAtOnce, alarm_times::kAtOnce},
    AlarmKind{"buffer_overflow", Severity::warning, Scope::input, Culprit::source,
              "An input's buffer ran full in the last minute, packets were dropped (`buffer_full`).",
              "The source sends faster than its own clock says, or in bursts of more than the buffer.",
              alarm_times::kAtOnce, alarm_times::kAtOnce},
    AlarmKind{"rate_exceeded", Severity::warning, Scope::channel, Culprit::map,
              "A stream was more than its `remux.bitrate` in the last minute, packets were dropped.",
              "Raise `remux.bitrate`, or lower the encoder's rate.", alarm_times::kAtOnce,
              alarm_times::kAtOnce},
    AlarmKind{
        "multiplex_exceeded", Severity::warning, Scope::channel, Culprit::map,
        "A channel was more than its share of a full multiplex in the last minute, packets of it were "
        "dropped.",
        "Raise the multiplex's `bitrate`, or lower the encoder's rate; `remux.bitrate` names its share.",
        alarm_times::kAtOnce, alarm_times::kAtOnce},
    AlarmKind{"output_tr101290", Severity::warning, Scope::channel, Culprit::host,
              "What this node sends (a cut service, a switch, a buffer, a constant rate) broke the first "
              "priority of TR 101 290 in the last minute, where its inputs did not.",
              "With `rate_exceeded`, `buffer_underflow` or `failover_active`: theirs. Else look at "
              "`host_overload` and capture the output for support.",
              alarm_times::Time(3000), alarm_times::kAtOnce},
    AlarmKind{"push_failing", Severity::warning, Scope::output, Culprit::target,
              "A push by RTMP or SRT does not send although its channel is on air; the message is what its "
              "server said. The others go on.",
              "Its address and key; the far end. It is tried again by itself.", alarm_times::kAtOnce,
              alarm_times::kCalm},
    AlarmKind{
        "picture_still", Severity::warning, Scope::channel, Culprit::source,
        "The same picture for longer than `alarms.still` (60 s), after a cut led to it: a title card, a "
        "slate, a test picture.",
        "Somebody's slate, most often. A channel that shows such pictures by design: `alarms: { still: "
        "never }`.",
        alarm_times::kAtOnce, alarm_times::kAtOnce},
    AlarmKind{"sound_track_silent", Severity::warning, Scope::track, Culprit::source,
              "One track has been silent for 15 times as long as `alarms.silence`, others are not.",
              "Normal for an audio description between two programmes; else its source.",
              alarm_times::kAtOnce, alarm_times::kAtOnce},
    AlarmKind{
        "sound_clipping", Severity::warning, Scope::track, Culprit::source,
        "For longer than `alarms.clipping` (10 s), in each second more than 0.1 % of the samples stand at "
        "full scale in rows of three or more.",
        "Turn the level down where the sound is made: what is cut off is lost.", alarm_times::kAtOnce,
        alarm_times::kAtOnce},
    AlarmKind{"sound_phase", Severity::warning, Scope::track, Culprit::source,
              "Left and right are against each other (correlation under -0.5) for longer than `alarms.phase` "
              "(10 s): in mono nothing is left.",
              "A cable or a desk with one channel's poles changed.", alarm_times::kAtOnce,
              alarm_times::kAtOnce},
    AlarmKind{"sound_loudness", Severity::warning, Scope::track, Culprit::source,
              "The short-term loudness (EBU R128) is outside of `alarms.loudness` for longer than "
              "`alarms.loudness_after` (30 s).",
              "The level at the source.", alarm_times::kAtOnce, alarm_times::kAtOnce},
    AlarmKind{
        "unwatched", Severity::warning, Scope::channel, Culprit::gateway,
        "The channel is on air, and nothing can be said of its pictures or its sound: no verdict, neither "
        "good nor bad.",
        "The message says why: a decoder that makes nothing of them, a worker in quarantine "
        "(`transcode_quarantined`), pictures without random access points.",
        // What takes the track away is known by then, and stands for it.
        alarm_times::kCalm * 3, alarm_times::kAtOnce},
    AlarmKind{
        "transcode_failing", Severity::warning, Scope::job, Culprit::gateway,
        "A worker of a channel's sound, of a derived rendition or of the pictures died, and the next one "
        "starts after a pause (0.2 s, doubling to 30 s). Nothing else is touched: that job alone has a "
        "gap.",
        "The message says how it died. crashed: what comes in breaks the decoder; look at the input "
        "(`headgate status CHANNEL`), and keep a recording for a report. hung, cpu: the machine is short "
        "of CPU, or the decoder runs in circles. killed: somebody's kill, or memory ran out (`dmesg`): "
        "workers go first then, and come back by themselves.",
        alarm_times::kAtOnce, alarm_times::kAtOnce},
    AlarmKind{
        "transcode_missing", Severity::warning, Scope::process, Culprit::host,
        "`headgate-transcode` is not installed beside the other daemons, and the map asks for what only it "
        "does; "
        "the message says what that is, and in how many channels. All else works; `unwatched` is not raised "
        "beside it. (`headgate check` judges the files alone, also on another machine, and says nothing of "
        "it.)",
        "Install it (it comes with the package; from a checkout `scripts/build` makes it), then restart the "
        "gateway; killing the launcher alone is enough under systemd, whose next one adopts what runs. Or "
        "ask for "
        "less: `audio: { transcode: never }`, `watch: { pictures: never, sound: never }`.",
        alarm_times::kAtOnce, alarm_times::kAtOnce},
    AlarmKind{"rendition_failing", Severity::warning, Scope::job, Culprit::host,
              "Pictures of a derived rendition can't be made, or not as fast as the source brings them: the "
              "message "
              "says why, and of which channel. Players have the rendition's other members.",
              "\"can't keep the source's pace\": a worker has one core at most (docs/ladder.md, \"What it "
              "costs\"); derive "
              "from a smaller channel, make the rendition smaller, or give the machine more cores. \"the "
              "decoder makes "
              "no pictures of it\": look at the channel's input.",
              alarm_times::kAtOnce, alarm_times::kAtOnce},
    AlarmKind{
        "transcode_quarantined", Severity::critical, Scope::job, Culprit::gateway,
        "A job's worker died three times within 10 minutes, and for the next 10 none is started, also by a "
        "transcode process that was started anew: the channel goes on with its original sound, silence in "
        "its AAC, and "
        "without thumbnails or that rendition; after 30 s its AAC is not offered to new players. A kill from "
        "outside "
        "(`killed`: `kill -9`, the kernel when memory runs out) counts only where the worker had taken more "
        "than half "
        "of the memory that it may have.",
        "As `transcode_failing`. A change of the input's format, or of what the map wants of the channel, "
        "makes the job anew and tries at once; otherwise it is tried once every 10 minutes.",
        alarm_times::kAtOnce, alarm_times::kAtOnce},
};

}  // namespace headgate::catalogue
