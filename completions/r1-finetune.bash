# bash completion for r1-finetune; written by r1-finetune --generate bash
_r1_finetune() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  case $prev in
    --data)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --val)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --val-share)
      COMPREPLY=()
      return ;;
    --max-seq-length)
      COMPREPLY=()
      return ;;
    --long)
      COMPREPLY=($(compgen -W 'drop cut' -- "$cur"))
      return ;;
    --fim-rate)
      COMPREPLY=()
      return ;;
    --chat-template)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --fine-tune-type)
      COMPREPLY=($(compgen -W 'lora dora full' -- "$cur"))
      return ;;
    --objective)
      COMPREPLY=($(compgen -W 'sft dpo' -- "$cur"))
      return ;;
    --beta)
      COMPREPLY=()
      return ;;
    --rank)
      COMPREPLY=()
      return ;;
    --alpha)
      COMPREPLY=()
      return ;;
    --target-modules)
      COMPREPLY=()
      return ;;
    --adapter)
      mapfile -t COMPREPLY < <(compgen -d -- "$cur")
      return ;;
    --dropout)
      COMPREPLY=()
      return ;;
    --quantize-base)
      COMPREPLY=($(compgen -W 'q8_0 q4_0 q4_k' -- "$cur"))
      return ;;
    --qat)
      COMPREPLY=()
      return ;;
    --precision)
      COMPREPLY=($(compgen -W 'fp32 bf16 fp16 fp8 f32 f16' -- "$cur"))
      return ;;
    --weight-type)
      COMPREPLY=($(compgen -W 'fp32 bf16' -- "$cur"))
      return ;;
    --moments)
      COMPREPLY=($(compgen -W 'fp32 bf16 fp8' -- "$cur"))
      return ;;
    --optimizer)
      COMPREPLY=($(compgen -W 'adamw muon' -- "$cur"))
      return ;;
    --learning-rate)
      COMPREPLY=()
      return ;;
    --muon-learning-rate)
      COMPREPLY=()
      return ;;
    --weight-decay)
      COMPREPLY=()
      return ;;
    --clip)
      COMPREPLY=()
      return ;;
    --init)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --tokenizer)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --vocab)
      COMPREPLY=()
      return ;;
    --iters)
      COMPREPLY=()
      return ;;
    --epochs)
      COMPREPLY=()
      return ;;
    --time-budget)
      COMPREPLY=()
      return ;;
    --batch-size)
      COMPREPLY=()
      return ;;
    --micro-batch)
      COMPREPLY=()
      return ;;
    --schedule)
      COMPREPLY=($(compgen -W 'cosine linear constant wsd' -- "$cur"))
      return ;;
    --lr-warmup)
      COMPREPLY=()
      return ;;
    --min-lr)
      COMPREPLY=()
      return ;;
    --decay-share)
      COMPREPLY=()
      return ;;
    --steps-per-report)
      COMPREPLY=()
      return ;;
    --steps-per-eval)
      COMPREPLY=()
      return ;;
    --early-stop)
      COMPREPLY=()
      return ;;
    --sample-prompt)
      [[ $cur != @* ]] || mapfile -t COMPREPLY < <(compgen -P @ -f -- "${cur#@}")
      return ;;
    --sample-tokens)
      COMPREPLY=()
      return ;;
    --log-csv)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --tensorboard)
      mapfile -t COMPREPLY < <(compgen -d -- "$cur")
      return ;;
    --save-every)
      COMPREPLY=()
      return ;;
    --keep-last)
      COMPREPLY=()
      return ;;
    --resume-from)
      mapfile -t COMPREPLY < <(compgen -d -- "$cur")
      return ;;
    --output|-o)
      mapfile -t COMPREPLY < <(compgen -d -- "$cur")
      return ;;
    --export)
      COMPREPLY=($(compgen -W 'adapter merged gguf gguf-adapter' -- "$cur"))
      return ;;
    --export-type)
      COMPREPLY=()
      return ;;
    --model|-m)
      mapfile -t COMPREPLY < <(compgen -W "$(r1-finetune --list-models 2>/dev/null)" -- "$cur"; compgen -f -- "$cur")
      [ "$(type -t __ltrim_colon_completions)" = function ] && __ltrim_colon_completions "$cur"
      return ;;
    --model-path)
      mapfile -t COMPREPLY < <(compgen -d -- "$cur")
      return ;;
    --device)
      COMPREPLY=($(compgen -W 'auto cpu cuda ref' -- "$cur"))
      return ;;
    --threads|-t)
      COMPREPLY=()
      return ;;
    --max-memory)
      COMPREPLY=()
      return ;;
    --seed|-s)
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
    -*) COMPREPLY=($(compgen -W '--data --val --val-share --max-seq-length --long --fim-rate --chat-template --no-packing --no-mask-prompt --fine-tune-type --objective --beta --rank --alpha --rslora --target-modules --adapter --dropout --quantize-base --qat --precision --weight-type --moments --optimizer --learning-rate --muon-learning-rate --weight-decay --clip --init --tokenizer --vocab --iters --epochs --time-budget --batch-size --micro-batch --grad-checkpoint --schedule --lr-warmup --min-lr --decay-share --steps-per-report --steps-per-eval --early-stop --sample-prompt --sample-tokens --timing --log-csv --tensorboard --save-every --keep-last --resume --resume-from --allow-data-change --force -f --dry-run --json --output -o --export --export-type --no-verify --model -m --model-path --list-models --device --threads -t --max-memory --seed -s --quiet -q --verbose -v --color --no-progress --log-file --config --print-config --generate --version -V --help' -- "$cur")) ;;
    *) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
  esac
}
complete -o filenames -F _r1_finetune r1-finetune
