# Levels depend on the processor, and what is there of CUDA on the build.
cuda='s/ cpu baseline,[a-z0-9_,]*/ cpu LEVELS/; s/"cpu":"baseline,[a-z0-9_,]*"/"cpu":"LEVELS"/; s/no cuda$/CUDA/; s/cuda sm_[0-9a,sm_]*$/CUDA/; s/"cuda":\(null\|"[^"]*"\)/"cuda":CUDA/'
r1-complete -qV
r1-complete -V | sed "s/([0-9a-z]*)/(COMMIT)/; $cuda"
r1-complete --version --json | sed "s/\"commit\":\"[0-9a-z]*\"/\"commit\":\"COMMIT\"/; $cuda"
