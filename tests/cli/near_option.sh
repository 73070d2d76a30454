# A near name is offered, also of a letter; never one that is hidden.
for a in --suffi --n --h; do r1-complete $a x; echo $?; done
