printf 'def f(x):' | r1-complete --device ref -n 12 | od -c
