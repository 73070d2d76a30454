r1-complete --device cuda -p x
