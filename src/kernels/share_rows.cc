#include "kernels/share_rows.h"

#include <algorithm>
#include <vector>

namespace sluice {
namespace {

// About 10 µs of one thread, ten times what entering a region with spinning workers takes.
constexpr uint64_t kSmallWork = uint64_t{1} << 18;

struct Task {
  size_t share, begin, end;
};

}  // namespace

bool is_small_work(uint64_t multiply_adds) {
  return multiply_adds <= kSmallWork;
}

void share_rows(ThreadPool& pool, std::span<const RowShare> shares,
                const std::function<void(size_t, size_t, size_t)>& body) {
  std::vector<Task> tasks;
  uint64_t multiply_adds = 0;
  for (size_t i = 0; i < shares.size(); ++i) {
    const RowShare& share = shares[i];
    multiply_adds += share.multiply_adds;
    for (size_t begin = 0; begin < share.rows; begin += share.rows_per_task)
      tasks.push_back({i, begin, std::min(begin + share.rows_per_task, share.rows)});
  }
  const size_t grain = is_small_work(multiply_adds) ? std::max<size_t>(1, tasks.size()) : 1;
  pool.parallel_for(tasks.size(), grain, [&](size_t first, size_t last) {
    for (size_t i = first; i < last; ++i) body(tasks[i].share, tasks[i].begin, tasks[i].end);
  });
}

}  // namespace sluice
