# bash completion for r1-bench; written by r1-bench --generate bash
_r1_bench() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  case $prev in
    --model|-m)
      mapfile -t COMPREPLY < <(compgen -W "$(r1-bench --list-models 2>/dev/null)" -- "$cur"; compgen -f -- "$cur")
      [ "$(type -t __ltrim_colon_completions)" = function ] && __ltrim_colon_completions "$cur"
      return ;;
    --prompt-tokens)
      COMPREPLY=()
      return ;;
    --max-tokens|-n)
      COMPREPLY=()
      return ;;
    --depth)
      COMPREPLY=()
      return ;;
    --batch-size)
      COMPREPLY=()
      return ;;
    --ops)
      COMPREPLY=()
      return ;;
    --quality)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --requests)
      COMPREPLY=()
      return ;;
    --rate)
      COMPREPLY=()
      return ;;
    --spread)
      COMPREPLY=()
      return ;;
    --lengths)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --seed|-s)
      COMPREPLY=()
      return ;;
    --base)
      mapfile -t COMPREPLY < <(compgen -W "$(r1-bench --list-models 2>/dev/null)" -- "$cur"; compgen -f -- "$cur")
      [ "$(type -t __ltrim_colon_completions)" = function ] && __ltrim_colon_completions "$cur"
      return ;;
    --window)
      COMPREPLY=()
      return ;;
    --limit)
      COMPREPLY=()
      return ;;
    --repeat)
      COMPREPLY=()
      return ;;
    --warmup)
      COMPREPLY=()
      return ;;
    --min-time)
      COMPREPLY=()
      return ;;
    --delay)
      COMPREPLY=()
      return ;;
    --format)
      COMPREPLY=($(compgen -W 'table md json jsonl csv sql benchstat' -- "$cur"))
      return ;;
    --output|-o)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --plot)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --price)
      COMPREPLY=()
      return ;;
    --fail-if-slower)
      COMPREPLY=()
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
    -*) COMPREPLY=($(compgen -W '--model -m --prompt-tokens --max-tokens -n --depth --batch-size --ops --hardware --serve --quality --compare --requests --rate --spread --lengths --seed -s --base --window --limit --repeat --warmup --min-time --delay --check-thermal --format --json --jsonl --output -o --force -f --plot --price --fail-if-slower --adapter --model-path --list-models --device --dtype --kv-type --threads -t --gpu-memory --no-mmap --quiet -q --verbose -v --color --no-progress --log-file --config --print-config --generate --version -V --help' -- "$cur")) ;;
    *) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
  esac
}
complete -o filenames -F _r1_bench r1-bench
