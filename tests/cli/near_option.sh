# A near name is offered, also of a letter, and ours for what other programs say; never one that is hidden.
for a in --suffi --n --h; do r1-complete $a x; echo $?; done
r1-complete --n-predict 3 x; r1-complete -ngl 99 x; r1-bench --n_prompt=3; r1-quantize m --outfile x; r1-finetune --lr 1e-4; echo $?
