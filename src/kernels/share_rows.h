// Rows of several products, shared out over the pool at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/thread_pool.h"

namespace sluice {

// Whether one thread is done with so many multiply-adds before another has woken up.
bool is_small_work(uint64_t multiply_adds);

// Rows [0, rows) of a product, in tasks of `rows_per_task` (>= 1).
struct RowShare {
  size_t rows;
  size_t rows_per_task;
  uint64_t multiply_adds;  // of all of them
};

// Calls body(i, begin, end) for tasks that cover the rows of all shares[i], in one parallel region: nobody
// waits for the end of one share before the next begins. On the calling thread if all of it is small work.
// `body` must not throw.
void share_rows(ThreadPool& pool, std::span<const RowShare> shares,
                const std::function<void(size_t, size_t, size_t)>& body);

}  // namespace sluice
