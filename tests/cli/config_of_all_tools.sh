# What stands in [common] is for the tools that have it; a name that none has is a mistake in each.
printf '[common]\ndevice = "cpu"\nlearning-rate = 1e-4\nstop = ["x"]\nkeep = ["embd"]\nrepeat = 2\n' >c.toml
for tool in complete bench quantize finetune; do
  r1-$tool --config c.toml --print-config | jq -c '[."learning-rate", .stop, .keep, .repeat | .value?]'
done
printf '[common]\ndevice = "cpu"\nlearning-rat = 1e-4\n' >c.toml
for tool in complete bench quantize finetune; do r1-$tool --config c.toml --print-config; echo $?; done
