# bash completion for r1-quantize; written by r1-quantize --generate bash
_r1_quantize() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  case $prev in
    --type)
      COMPREPLY=($(compgen -W 'f32 f16 bf16 q8_0 q6_k q5_k_m q5_k_s q4_k_m q4_k_s q4_0 iq4_nl iq4_xs fp8 fp8_block w4a16' -- "$cur"))
      return ;;
    --tensor-type)
      COMPREPLY=()
      return ;;
    --keep)
      COMPREPLY=()
      return ;;
    --output-type)
      COMPREPLY=($(compgen -W 'f32 f16 bf16 q8_0 q4_0 q4_k q5_k q6_k iq4_nl iq4_xs' -- "$cur"))
      return ;;
    --embed-type)
      COMPREPLY=($(compgen -W 'f32 f16 bf16 q8_0 q4_0 q4_k q5_k q6_k iq4_nl iq4_xs' -- "$cur"))
      return ;;
    --target-bpw)
      COMPREPLY=()
      return ;;
    --method)
      COMPREPLY=($(compgen -W 'rtn search gptq' -- "$cur"))
      return ;;
    --calibration)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --calibration-tokens)
      COMPREPLY=()
      return ;;
    --imatrix)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --imatrix-out)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --output|-o)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --shard-size)
      COMPREPLY=()
      return ;;
    --manifest)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --model-path)
      mapfile -t COMPREPLY < <(compgen -d -- "$cur")
      return ;;
    --threads|-t)
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
    -*) COMPREPLY=($(compgen -W '--type --tensor-type --keep --output-type --embed-type --target-bpw --pure --method --awq --calibration --calibration-tokens --imatrix --imatrix-out --allow-requantize --output -o --force -f --resume --shard-size --dry-run --json --manifest --no-verify --model-path --list-models --threads -t --quiet -q --verbose -v --color --no-progress --log-file --config --print-config --generate --version -V --help' -- "$cur")) ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$(r1-quantize --list-models 2>/dev/null)" -- "$cur"; compgen -f -- "$cur")
      [ "$(type -t __ltrim_colon_completions)" = function ] && __ltrim_colon_completions "$cur" ;;
  esac
}
complete -o filenames -F _r1_quantize r1-quantize
