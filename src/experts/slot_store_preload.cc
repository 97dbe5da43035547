// Mode resident: every expert is read at the start.
#include <algorithm>
#include <cassert>
#include <numeric>
#include <tuple>
#include <utility>

#include "base/fail.h"
#include "experts/slot_store.h"
#include "storage/reader.h"

namespace sluice {
namespace {
// Enough reads for any device's queue, few enough that an error or a cancelled start is not kept waiting.
constexpr size_t kPreloadBatch = 32;
}  // namespace

std::vector<std::vector<uint32_t>> SlotStore::batches_in_file_order() const {
  std::vector<uint32_t> order(catalog_.expert_count());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order, {}, [this](uint32_t expert) {
    const SlotRead& first = layout_.reads(expert).front();
    return std::tuple(first.file, first.offset_bytes);
  });
  std::vector<std::vector<uint32_t>> batches;
  for (size_t begin = 0; begin < order.size(); begin += kPreloadBatch) {
    const auto batch = std::span(order).subspan(begin, std::min(kPreloadBatch, order.size() - begin));
    batches.emplace_back(batch.begin(), batch.end());
  }
  return batches;
}

Status SlotStore::preload(const std::function<void(uint64_t, uint64_t)>& progress,
                          const std::stop_token& cancel) {
  assert(slots_.size() == catalog_.expert_count());
  const auto batches = batches_in_file_order();
  uint64_t done_bytes = 0;
  ExpertRequest current = start(std::unique_lock(mutex), batches.front(), false);
  for (size_t batch = 0; batch < batches.size(); ++batch) {
    // The next batch is on its way before this one has arrived, so that the device never pauses.
    ExpertRequest following =
        start(std::unique_lock(mutex),
              batch + 1 < batches.size() ? batches[batch + 1] : std::vector<uint32_t>{}, false);
    while (current.remaining() > 0) {
      if (cancel.stop_requested()) return fail(ErrorCode::kCancelled, "loading the experts was cancelled");
      SLUICE_ASSIGN(const ExpertArrival arrival, current.next());
      if (!arrival.lease) return tl::unexpected(arrival.lease.error());
      done_bytes += catalog_.expert_bytes(batches[batch][arrival.index]);
      if (progress) progress(done_bytes, catalog_.total_bytes());
    }
    current = std::move(following);
  }
  reader_.reset();
  // Nothing of this was asked for on behalf of a token.
  const std::lock_guard lock(mutex);
  totals.misses = 0;
  totals.wait_ns = 0;
  return {};
}

}  // namespace sluice
