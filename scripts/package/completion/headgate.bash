# Completion of headgate(1) for bash. Channel ids come from the running gateway.

# The command as it was typed, so that a checkout's own binary is asked, and the socket given on the line.
_headgate_ask() {
  local socket=() i
  for ((i = 1; i < ${#COMP_WORDS[@]} - 1; i++)); do
    if [[ ${COMP_WORDS[i]} == --socket ]]; then socket=(--socket "${COMP_WORDS[i + 1]}"); fi
  done
  timeout 2 "${COMP_WORDS[0]}" "$@" --json "${socket[@]}" 2>/dev/null </dev/null
}

_headgate_channels() {
  _headgate_ask status | sed -n '/^  "channels": \[/,/^  \]/s/^      "id": "\([a-z0-9_-]*\)",\{0,1\}$/\1/p'
}

_headgate_tags() {
  _headgate_ask status | sed -n '/^      "tags": \[/,/^      \]/s/^        "\(.*\)",\{0,1\}$/\1/p' | sort -u
}

_headgate_inputs() {
  _headgate_ask status "$1" | sed -n '/^  "inputs": \[/,/^  \]/s/^      "number": \([0-9]*\),\{0,1\}$/\1/p'
}

_headgate_alarms() {
  _headgate_ask alarms | sed -n '/^  "alarms": \[/,/^  \]/s/^      "id": \([0-9]*\),\{0,1\}$/\1/p'
}

_headgate_sessions() {
  _headgate_ask sessions | sed -n 's/^ *"id": "\([a-z0-9-]*\)",\{0,1\}$/\1/p'
}

_headgate_maps() {
  _headgate_ask history | sed -n 's/^ *"number": \([0-9]*\),\{0,1\}$/\1/p'
}

# Words behind the last comma.
_headgate_list() {
  local done=''
  if [[ $2 == *,* ]]; then done=${2%,*},; fi
  mapfile -t COMPREPLY < <(compgen -P "$done" -W "$1" -- "${2##*,}")
}

_headgate_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_headgate() {
  # Bash splits words at = and :; neither matters here but inside URLs, which have no completion.
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' word i options
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $word != -* ]]; then command=$word; break; fi
  done
  case "$previous" in
    --config | --socket) _headgate_files "$current"; return ;;
    --interface) mapfile -t COMPREPLY < <(cd /sys/class/net 2>/dev/null && compgen -f -- "$current"); return ;;
    --rollback | --to)
      # Numbers of the maps; --rollback may stand alone.
      if [[ $current != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_headgate_maps)" -- "$current")
        return
      fi
      ;;
    --state) _headgate_list 'ok degraded backup waiting down disabled' "$current"; return ;;
    --tag) _headgate_list "$(_headgate_tags)" "$current"; return ;;
    --schema) mapfile -t COMPREPLY < <(compgen -W 'node channels' -- "$current"); return ;;
    --sort) mapfile -t COMPREPLY < <(compgen -W 'state id bitrate errors viewers since' -- "$current"); return ;;
    --severity) mapfile -t COMPREPLY < <(compgen -W 'info warning critical' -- "$current"); return ;;
    --channel) mapfile -t COMPREPLY < <(compgen -W "$(_headgate_channels)" -- "$current"); return ;;
    --time | --match | --every | --last) return ;;
  esac
  case "$command" in
    '') mapfile -t COMPREPLY < <(compgen -W 'run check plan apply history status why top alarms maintenance sessions kick health switch events probe send --help --version' -- "$current"); return ;;
    run) options='--config --socket --help' ;;
    check) options='--config --schema --json --help' ;;
    plan | history) options='--socket --json --help' ;;
    apply) options='--rollback --to --socket --json --help' ;;
    status) options='--state --tag --match --socket --json --help' ;;
    top) options='--state --tag --match --sort --every --socket --help' ;;
    sessions) options='--last --socket --json --help' ;;
    why | switch | alarms | maintenance | kick | health) options='--socket --json --help' ;;
    events) options='--follow --channel --severity --last --socket --json --help' ;;
    probe) options='--time --interface --all --socket --json --help' ;;
    send) options='--raw --once --json --help' ;;
    *) return ;;
  esac
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  elif [[ $command == switch && $previous != switch ]]; then
    # Behind the channel its inputs.
    mapfile -t COMPREPLY < <(compgen -W "auto $(_headgate_inputs "$previous")" -- "$current")
  elif [[ $command == alarms && $previous == ack ]]; then
    mapfile -t COMPREPLY < <(compgen -W "all $(_headgate_alarms)" -- "$current")
  elif [[ $command == alarms ]]; then
    mapfile -t COMPREPLY < <(compgen -W 'ack' -- "$current")
  elif [[ $command == history ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_headgate_maps)" -- "$current")
  elif [[ $command == maintenance && $previous != maintenance ]]; then
    mapfile -t COMPREPLY < <(compgen -W '30m 1h 2h 1d off' -- "$current")
  elif [[ $command == maintenance ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_headgate_channels; _headgate_tags)" -- "$current")
  elif [[ $command == status || $command == why || $command == switch || $command == sessions ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_headgate_channels)" -- "$current")
  elif [[ $command == kick ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_headgate_sessions)" -- "$current")
  elif [[ $command == probe || $command == send ]]; then
    _headgate_files "$current"
  fi
}

complete -F _headgate headgate
