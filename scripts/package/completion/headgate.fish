# Completion of headgate(1) for fish. Channel ids come from the running gateway.

# The command as it was typed, so that a checkout's own binary is asked, and the socket given on the line.
function __headgate_ask
    set -l words (commandline -opc)
    set -l socket
    set -l at (contains -i -- --socket $words)
    and test (count $words) -gt $at
    and set socket --socket $words[(math $at + 1)]
    timeout 2 $words[1] $argv --json $socket 2>/dev/null </dev/null
end

function __headgate_channels
    __headgate_ask status | sed -n '/^  "channels": \[/,/^  \]/s/^      "id": "\([a-z0-9_-]*\)",\{0,1\}$/\1/p'
end

function __headgate_sessions
    __headgate_ask sessions | sed -n 's/^ *"id": "\([a-z0-9-]*\)",\{0,1\}$/\1/p'
end

function __headgate_tags
    __headgate_ask status | sed -n '/^      "tags": \[/,/^      \]/s/^        "\(.*\)",\{0,1\}$/\1/p' | sort -u
end

# Of the channel that stands before.
function __headgate_inputs
    set -l words (commandline -opc)
    __headgate_ask status $words[-1] | sed -n '/^  "inputs": \[/,/^  \]/s/^      "number": \([0-9]*\),\{0,1\}$/\1/p'
end

function __headgate_alarms
    __headgate_ask alarms | sed -n '/^  "alarms": \[/,/^  \]/s/^      "id": \([0-9]*\),\{0,1\}$/\1/p'
end

# Behind the last comma.
function __headgate_list
    set -l done (string match -r '.*,' -- (commandline -ct); or echo '')
    for word in $argv
        echo $done$word
    end
end

function __headgate_maps
    __headgate_ask history | sed -n 's/^ *"number": \([0-9]*\),\{0,1\}$/\1/p'
end

# Whether the last whole word is the command itself.
function __headgate_first_word
    set -l words (commandline -opc)
    test (count $words) -ge 2; and contains -- $words[-1] $argv
end

function __headgate_after
    __fish_seen_subcommand_from $argv; and not __headgate_first_word $argv
end

set -l commands run check plan apply history status why top alarms maintenance sessions kick health switch events probe send
set -l json plan apply history status why alarms maintenance sessions kick health switch events probe check send
set -l online plan apply history status why top alarms maintenance sessions kick health switch events probe

complete -c headgate -f
complete -c headgate -n "not __fish_seen_subcommand_from $commands" -a "$commands"
complete -c headgate -n "not __fish_seen_subcommand_from $commands" -l version -d 'print the version'
complete -c headgate -l help -s h -d 'what it does, with examples'
complete -c headgate -n "__fish_seen_subcommand_from run $online" -l socket -r -F -d 'control socket'
complete -c headgate -n "__fish_seen_subcommand_from $json" -l json -d 'machine output'
complete -c headgate -n '__fish_seen_subcommand_from run check' -l config -r -F -d 'node file'
complete -c headgate -n '__fish_seen_subcommand_from check' -l schema -x -a 'node channels' -d 'print the JSON Schema of a file'
complete -c headgate -n '__fish_seen_subcommand_from apply' -l rollback -f -a '(__headgate_maps)' -d 'the map before, or this one'
complete -c headgate -n '__fish_seen_subcommand_from apply' -l to -x -a '(__headgate_maps)' -d 'a map of the history'
complete -c headgate -n '__fish_seen_subcommand_from status top' -l state -x -a '(__headgate_list ok degraded backup waiting down disabled)' -d 'only these states'
complete -c headgate -n '__fish_seen_subcommand_from status top' -l tag -x -a '(__headgate_list (__headgate_tags))' -d 'only these tags'
complete -c headgate -n '__fish_seen_subcommand_from status top' -l match -x -d 'only ids or names like this'
complete -c headgate -n '__fish_seen_subcommand_from top' -l sort -x -a 'state id bitrate errors viewers since' -d 'order'
complete -c headgate -n '__fish_seen_subcommand_from top' -l every -x -d 'pause between two looks'
complete -c headgate -n '__fish_seen_subcommand_from events' -l follow -s f -d 'go on with new ones'
complete -c headgate -n '__fish_seen_subcommand_from events' -l channel -x -a '(__headgate_channels)' -d 'only of this channel'
complete -c headgate -n '__fish_seen_subcommand_from events' -l severity -x -a 'info warning critical' -d 'this and worse'
complete -c headgate -n '__fish_seen_subcommand_from events sessions' -l last -s n -x -d 'at most so many'
complete -c headgate -n '__fish_seen_subcommand_from probe' -l time -x -d 'how long to listen'
complete -c headgate -n '__fish_seen_subcommand_from probe' -l interface -x -a '(ls /sys/class/net)' -d 'kernel interface'
complete -c headgate -n '__fish_seen_subcommand_from probe' -l all -d 'rare PIDs too'
complete -c headgate -n '__fish_seen_subcommand_from send' -l raw -d 'leave the bytes alone'
complete -c headgate -n '__fish_seen_subcommand_from send' -l once -d 'stop at the end of the file'
complete -c headgate -n '__headgate_first_word status why switch maintenance sessions' -a '(__headgate_channels)'
complete -c headgate -n '__headgate_first_word maintenance' -a '(__headgate_tags)'
complete -c headgate -n '__headgate_first_word history' -a '(__headgate_maps)'
complete -c headgate -n '__headgate_first_word kick' -a '(__headgate_sessions)'
# Behind the channel its inputs.
complete -c headgate -n '__headgate_after switch' -a 'auto (__headgate_inputs)'
complete -c headgate -n '__headgate_after maintenance' -a '30m 1h 2h 1d off'
complete -c headgate -n '__headgate_first_word alarms' -a ack
complete -c headgate -n '__headgate_first_word ack' -a 'all (__headgate_alarms)'
complete -c headgate -n '__fish_seen_subcommand_from probe send' -F
