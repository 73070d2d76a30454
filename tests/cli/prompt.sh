r1-complete --device ref -n 12 -p 'def f(x):' | od -c
