# One file a tool; CLI11 is seen by tools/common/options.cpp alone.
