# bash completion for r1-complete; written by r1-complete --generate bash
_r1_complete() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  case $prev in
    --prompt|-p)
      [[ $cur != @* ]] || mapfile -t COMPREPLY < <(compgen -P @ -f -- "${cur#@}")
      return ;;
    --prefix-file)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --suffix)
      [[ $cur != @* ]] || mapfile -t COMPREPLY < <(compgen -P @ -f -- "${cur#@}")
      return ;;
    --cursor)
      COMPREPLY=()
      return ;;
    --extra)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --system)
      [[ $cur != @* ]] || mapfile -t COMPREPLY < <(compgen -P @ -f -- "${cur#@}")
      return ;;
    --files-from)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --max-tokens|-n)
      COMPREPLY=()
      return ;;
    --stop)
      COMPREPLY=()
      return ;;
    --stop-at)
      COMPREPLY=($(compgen -W 'line block' -- "$cur"))
      return ;;
    --temperature)
      COMPREPLY=()
      return ;;
    --top-p)
      COMPREPLY=()
      return ;;
    --top-k)
      COMPREPLY=()
      return ;;
    --min-p)
      COMPREPLY=()
      return ;;
    --repeat-penalty)
      COMPREPLY=()
      return ;;
    --seed|-s)
      COMPREPLY=()
      return ;;
    --answers|-N)
      COMPREPLY=()
      return ;;
    --time-limit)
      COMPREPLY=()
      return ;;
    --timeout)
      COMPREPLY=()
      return ;;
    --output|-o)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --output-dir|-O)
      mapfile -t COMPREPLY < <(compgen -d -- "$cur")
      return ;;
    --sidecar-ext)
      COMPREPLY=()
      return ;;
    --if-exists)
      COMPREPLY=($(compgen -W 'skip overwrite append prepend error' -- "$cur"))
      return ;;
    --only-failed)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --logprobs)
      COMPREPLY=()
      return ;;
    --max-errors)
      COMPREPLY=()
      return ;;
    --model|-m)
      mapfile -t COMPREPLY < <(compgen -W "$(r1-complete --list-models 2>/dev/null)" -- "$cur"; compgen -f -- "$cur")
      [ "$(type -t __ltrim_colon_completions)" = function ] && __ltrim_colon_completions "$cur"
      return ;;
    --adapter)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --model-path)
      mapfile -t COMPREPLY < <(compgen -d -- "$cur")
      return ;;
    --device)
      COMPREPLY=($(compgen -W 'auto cpu cuda ref' -- "$cur"))
      return ;;
    --dtype)
      COMPREPLY=($(compgen -W 'auto f32 bf16' -- "$cur"))
      return ;;
    --kv-type)
      COMPREPLY=($(compgen -W 'auto f32 f16 bf16 q8_0' -- "$cur"))
      return ;;
    --threads|-t)
      COMPREPLY=()
      return ;;
    --batch-size)
      COMPREPLY=()
      return ;;
    --max-inflight)
      COMPREPLY=()
      return ;;
    --max-memory)
      COMPREPLY=()
      return ;;
    --gpu-memory)
      COMPREPLY=()
      return ;;
    --color)
      COMPREPLY=($(compgen -W 'auto always never' -- "$cur"))
      return ;;
    --log-file)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --config)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --generate)
      COMPREPLY=($(compgen -W 'man bash zsh fish' -- "$cur"))
      return ;;
  esac
  case $cur in
    -*) COMPREPLY=($(compgen -W '--prompt -p --prefix-file --suffix --cursor --extra --chat --system --jsonl --openai-batch --files-from --null -0 --max-tokens -n --stop --stop-at --temperature --top-p --top-k --min-p --repeat-penalty --seed -s --answers -N --no-heal --fit --time-limit --timeout --output -o --force -f --output-dir -O --sidecar -w --sidecar-ext --if-exists --resume --only-failed --json --echo --filter --extract --no-stream --logprobs --dry-run --unordered --summary --timing --sanitize --fail-fast --max-errors --model -m --adapter --model-path --list-models --device --dtype --kv-type --threads -t --batch-size --max-inflight --max-memory --gpu-memory --deterministic --no-mmap --quiet -q --verbose -v --color --no-progress --log-file --config --print-config --generate --version -V --help' -- "$cur")) ;;
    *) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
  esac
}
complete -o filenames -F _r1_complete r1-complete
