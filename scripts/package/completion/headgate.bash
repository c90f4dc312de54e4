# Completion of headgate(1) for bash. Channel ids come from the running gateway.

_headgate_channels() {
  # The command as it was typed, so that a checkout's own binary is asked, and the socket given on the line.
  local socket=() i
  for ((i = 1; i < ${#COMP_WORDS[@]} - 1; i++)); do
    if [[ ${COMP_WORDS[i]} == --socket ]]; then socket=(--socket "${COMP_WORDS[i + 1]}"); fi
  done
  timeout 2 "${COMP_WORDS[0]}" status --json "${socket[@]}" 2>/dev/null </dev/null |
    sed -n '/^  "channels": \[/,/^  \]/s/^      "id": "\([a-z0-9_-]*\)",\{0,1\}$/\1/p'
}

_headgate_sessions() {
  local socket=() i
  for ((i = 1; i < ${#COMP_WORDS[@]} - 1; i++)); do
    if [[ ${COMP_WORDS[i]} == --socket ]]; then socket=(--socket "${COMP_WORDS[i + 1]}"); fi
  done
  timeout 2 "${COMP_WORDS[0]}" sessions --json "${socket[@]}" 2>/dev/null </dev/null |
    sed -n 's/^ *"id": "\([a-z0-9-]*\)",\{0,1\}$/\1/p'
}

_headgate_maps() {
  local socket=() i
  for ((i = 1; i < ${#COMP_WORDS[@]} - 1; i++)); do
    if [[ ${COMP_WORDS[i]} == --socket ]]; then socket=(--socket "${COMP_WORDS[i + 1]}"); fi
  done
  timeout 2 "${COMP_WORDS[0]}" history --json "${socket[@]}" 2>/dev/null </dev/null |
    sed -n 's/^ *"number": \([0-9]*\),\{0,1\}$/\1/p'
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
    --state) mapfile -t COMPREPLY < <(compgen -W 'ok degraded backup waiting down disabled' -- "$current"); return ;;
    --schema) mapfile -t COMPREPLY < <(compgen -W 'node channels' -- "$current"); return ;;
    --sort) mapfile -t COMPREPLY < <(compgen -W 'state id bitrate errors viewers since' -- "$current"); return ;;
    --severity) mapfile -t COMPREPLY < <(compgen -W 'info warning critical' -- "$current"); return ;;
    --channel) mapfile -t COMPREPLY < <(compgen -W "$(_headgate_channels)" -- "$current"); return ;;
    --time | --tag | --match | --every | --last) return ;;
  esac
  case "$command" in
    '') mapfile -t COMPREPLY < <(compgen -W 'run check plan apply history status why top alarms maintenance sessions kick health switch events probe send --help --version' -- "$current"); return ;;
    run) options='--config --socket --help' ;;
    check) options='--config --schema --json --help' ;;
    plan | history) options='--socket --json --help' ;;
    apply) options='--rollback --to --socket --json --help' ;;
    status) options='--state --tag --match --socket --json --help' ;;
    top) options='--state --tag --match --sort --every --socket --json --help' ;;
    sessions) options='--last --socket --json --help' ;;
    why | switch | alarms | maintenance | kick | health) options='--socket --json --help' ;;
    events) options='--follow --channel --severity --last --socket --json --help' ;;
    probe) options='--time --interface --all --socket --json --help' ;;
    send) options='--raw --once --json --help' ;;
    *) return ;;
  esac
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  elif [[ $command == switch && ${COMP_WORDS[COMP_CWORD - 1]} != switch ]]; then
    # Behind the channel its inputs; a channel has at most eight.
    mapfile -t COMPREPLY < <(compgen -W 'auto 1 2 3 4 5 6 7 8' -- "$current")
  elif [[ $command == alarms ]]; then
    mapfile -t COMPREPLY < <(compgen -W 'ack all' -- "$current")
  elif [[ $command == maintenance && ${COMP_WORDS[COMP_CWORD - 1]} != maintenance ]]; then
    mapfile -t COMPREPLY < <(compgen -W '30m 1h 2h 1d off' -- "$current")
  elif [[ $command == status || $command == why || $command == switch || $command == maintenance || $command == sessions ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_headgate_channels)" -- "$current")
  elif [[ $command == kick ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_headgate_sessions)" -- "$current")
  elif [[ $command == probe || $command == send ]]; then
    _headgate_files "$current"
  fi
}

complete -F _headgate headgate
