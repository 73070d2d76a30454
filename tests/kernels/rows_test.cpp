// A row of a result is made of that row of the input alone: the same bits whatever else is in the
// batch, in whatever order, on however many threads.
#include <algorithm>
#include <functional>
#include <numeric>

#include "tests/kernels/weight_form.h"
#include "tests/support/kernel_test.h"

namespace r1 {
namespace {

using test::Rig;
using Floats = std::vector<float>;
using Ints = std::vector<std::int32_t>;

// Products spread their weights from 32 rows on, and take 8, 4, 2 and 1 at a time.
constexpr std::int32_t kRows = 39;

// Something that is done to each of kRows rows: runs it for some of them, in this order.
struct RowOp {
  std::string name;
  std::function<Floats(Rig&, const Ints&)> run;
};

// Rows of random numbers, [kRows, width], put on the backend.
Tensor rows_of(Rig& rig, const Ints& rows, const Shape& row, std::uint64_t seed) {
  const std::int64_t width = row.elements();
  const Floats all = test::random_values(kRows * width, seed);
  Floats some;
  for (const std::int32_t r : rows)
    some.insert(some.end(), all.begin() + r * width, all.begin() + (r + 1) * width);
  const auto T = static_cast<std::int64_t>(rows.size());
  return rig.put(row.rank() == 1 ? Shape{T, row[0]} : Shape{T, row[0], row[1]}, some);
}

RowOp linear(const test::Form& form, std::int64_t K) {
  constexpr std::int64_t N = 150;  // panels, and a rest, for each thread
  return {"linear " + to_string(form), [=](Rig& rig, const Ints& rows) {
            const Tensor w = form.make(rig, {N, K}, test::random_values(N * K, 2));
            const Tensor y = rig.unwritten({static_cast<std::int64_t>(rows.size()), N});
            rig->linear(y, rows_of(rig, rows, {K}, 1), w, {});
            return rig.get(y);
          }};
}

std::vector<RowOp> row_ops() {
  std::vector<RowOp> all = {
      {"rms_norm",
       [](Rig& rig, const Ints& rows) {
         const Tensor x = rows_of(rig, rows, {3, 67}, 1), y = rig.unwritten(x.shape);
         rig->rms_norm(y, {}, x, rig.put({67}, test::random_values(67, 2)), 1e-6f);
         return rig.get(y);
       }},
      {"swiglu",
       [](Rig& rig, const Ints& rows) {
         const Tensor gate = rows_of(rig, rows, {41}, 1), up = rows_of(rig, rows, {41}, 2);
         const Tensor y = rig.unwritten(gate.shape);
         rig->swiglu(y, gate, up);
         return rig.get(y);
       }},
      {"gelu",
       [](Rig& rig, const Ints& rows) {
         const Tensor x = rows_of(rig, rows, {41}, 1), y = rig.unwritten(x.shape);
         rig->gelu(y, x);
         return rig.get(y);
       }},
      {"rope",
       [](Rig& rig, const Ints& rows) {
         const Tensor x = rows_of(rig, rows, {3, 22}, 1), y = rig.unwritten(x.shape);
         const Tensor table = rig.unwritten({x.shape[0], 11, 2});
         rig->rope_table(table, rig.put(rows), rig.put({11}, test::random_values(11, 2)), 1.0f);
         rig->rope(y, x, table, false);
         return rig.get(y);
       }},
      {"daw_gain",
       [](Rig& rig, const Ints& rows) {
         const Tensor q = rows_of(rig, rows, {4, 13}, 1), y = rig.unwritten(q.shape);
         rig->daw_gain(y, q, rows_of(rig, rows, {2}, 2), rig.put({2}, {0.5f, -0.5f}));
         return rig.get(y);
       }},
      {"cross_entropy",
       [](Rig& rig, const Ints& rows) {
         const Tensor loss = rig.unwritten({static_cast<std::int64_t>(rows.size())});
         rig->cross_entropy(loss, rows_of(rig, rows, {517}, 1), rig.put(rows));
         return rig.get(loss);
       }},
  };
  for (const test::Form& form : test::forms())
    all.push_back(linear(form, is_quantized(form.dtype) ? 512 : 257));
  return all;
}

// Batches of all sizes, from the front and from the middle, and all rows backwards.
std::vector<Ints> batches() {
  std::vector<Ints> all;
  for (const std::int32_t n : {1, 2, 3, 7, 8, 16, 32, 39}) {
    Ints rows(static_cast<std::size_t>(n));
    std::iota(rows.begin(), rows.end(), (kRows - n) / 2);
    all.push_back(rows);
    std::reverse(rows.begin(), rows.end());
    all.push_back(rows);
  }
  return all;
}

TEST(Rows, EachHasTheSameBitsInAnyBatchOnAnyNumberOfThreads) {
  Ints every(kRows);
  std::iota(every.begin(), every.end(), 0);
  for (test::Candidate candidate : test::backends_and_ref()) {
    if (!candidate.exact()) continue;
    for (const RowOp& op : row_ops()) {
      candidate.threads = 1;
      Rig one(candidate);
      const Floats want = op.run(one, every);
      const std::size_t width = want.size() / kRows;
      for (const int threads : {1, 2, 3}) {
        if (threads > 1 && !candidate.name.starts_with("cpu")) break;
        candidate.threads = threads;
        Rig rig(candidate);
        for (const Ints& rows : batches()) {
          const Floats got = op.run(rig, rows);
          for (std::size_t i = 0; i < rows.size(); ++i) {
            const std::size_t r = static_cast<std::size_t>(rows[i]);
            ASSERT_TRUE(std::equal(got.begin() + static_cast<std::ptrdiff_t>(i * width),
                                   got.begin() + static_cast<std::ptrdiff_t>((i + 1) * width),
                                   want.begin() + static_cast<std::ptrdiff_t>(r * width)))
                << candidate.name << " " << op.name << ": row " << r << " in a batch of "
                << rows.size() << " on " << threads << " threads";
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace r1
