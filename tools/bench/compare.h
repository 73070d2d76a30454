#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tools/bench/formats.h"
#include "tools/bench/statistics.h"

namespace r1 {

// The samples of one test of one model in a file of records; several records of the same are one.
struct PooledTest {
  std::string model, id;
  // What it ran on and with, by the names of the record's fields: "cpu.name", "test.dtype".
  std::map<std::string, std::string> conditions;
  std::vector<double> samples_ns;  // none: it failed, or was never run
  bool failed = false;             // no record of it succeeded, and one is an error
  double interference = 0;         // the most of any record
};
// The tests that succeeded or failed, in the order of their first record, of a file that --jsonl or
// --json made. `where` names it. Fails with `decode` for what is no record of r1-bench, and for two
// tests of one name under different conditions. A signal ends it with `interrupted`.
std::vector<PooledTest> read_tests(std::string_view text, std::string_view where);

struct Comparison {
  std::string model, id;
  double old_ns = 0, new_ns = 0;  // medians
  Ratio speed;                    // of new to old: over 1 is faster
  // "faster" or "slower" when the interval leaves 1 out, "same" when it holds 1, "unsure" when
  // there is none.
  std::string verdict;
  // Slower by more than `share`, and not by chance: where the interval is known it leaves 1 out.
  bool slower_than(double share) const;
};
struct Compared {
  std::vector<Comparison> tests;      // what both files have, in the order of the old one
  std::vector<std::string> warnings;  // what only one has, other conditions, interference
  bool failed = false;                // does a test fail in the new file alone?
};
// A signal ends it likewise.
Compared compare(const std::vector<PooledTest>& before, const std::vector<PooledTest>& after);

// table, md, json, jsonl, csv or sql.
void write_comparison(const Compared& compared, const std::string& format, const Write& write);

}  // namespace r1
