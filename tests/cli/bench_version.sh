r1-bench --version | sed 's/([0-9a-f]*)/(COMMIT)/; s/ cpu baseline,[a-z0-9_,]*/ cpu LEVELS/; s/no cuda$/CUDA/; s/cuda sm_[0-9a,sm_]*$/CUDA/'; r1-bench -qV; r1-bench --version --json | jq -r .tool
