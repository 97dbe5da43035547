#include "engine/cost_model.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "base/fail.h"
#include "base/memory.h"
#include "base/read_memory.h"
#include "experts/slot_layout.h"
#include "kernels/matmul.h"

namespace sluice {
namespace {

using Clock = std::chrono::steady_clock;

// What direct reads are aligned to, at most.
constexpr size_t kAlignmentBytes = 4096;
constexpr auto kMeasureFor = std::chrono::milliseconds(100);
// Larger than caches, so that weights come from memory as they do in a model.
constexpr uint32_t kProbeRows = 32768;
constexpr uint32_t kProbeCols = 4096;
constexpr uint64_t kBeyondCachesBytes = 256 << 20;

struct HitPoint {
  double share;
  double hit_rate;
};
// Means of the two traces' replays; 0 and 1 are certain.
constexpr std::array<HitPoint, 6> kHitCurve = {
    {{0, 0}, {0.08, 0.54}, {0.15, 0.71}, {0.25, 0.84}, {0.40, 0.94}, {1, 1}}};

// The catalog's experts as the reads that would bring them.
std::vector<Extent> extents_of(const ExpertCatalog& catalog) {
  const SlotLayout layout(catalog, kAlignmentBytes);
  std::vector<Extent> extents;
  for (uint32_t expert = 0; expert < catalog.expert_count(); ++expert) {
    for (const SlotRead& read : layout.reads(expert)) {
      extents.push_back({read.file, read.offset_bytes, read.needed_bytes});
    }
  }
  return extents;
}

// How many bytes a second a repeated piece of work takes in.
template <class Work>
double rate_of(uint64_t bytes, const Work& work) {
  work();  // what is touched for the first time is slower
  uint64_t rounds = 0;
  const auto start = Clock::now();
  do {
    work();
    ++rounds;
  } while (Clock::now() - start < kMeasureFor);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return static_cast<double>(bytes * rounds) / seconds;
}

double kernel_rate(ThreadPool& pool, std::span<const std::byte> bytes) {
  const uint64_t values_bytes = weight_values_bytes(WeightFormat::kMXFP4, kProbeRows, kProbeCols);
  const WeightMatrix matrix{WeightFormat::kMXFP4, kProbeRows, kProbeCols, bytes.data(),
                            bytes.data() + values_bytes};
  const std::vector<float> x(kProbeCols, 1.0F);
  std::vector<float> y(kProbeRows);
  return rate_of(bytes.size(), [&] { matmul(pool, matrix, x.data(), 1, y.data()); });
}

uint64_t nanoseconds(double bytes, double bytes_per_second) {
  return bytes_per_second > 0 ? static_cast<uint64_t>(bytes / bytes_per_second * 1e9) : 0;
}

double per_second(uint64_t ns) {
  return 1e9 / static_cast<double>(std::max<uint64_t>(1, ns));
}

}  // namespace

double expected_hit_rate(double capacity_share) {
  const double share = std::clamp(capacity_share, 0.0, 1.0);
  for (size_t i = 1; i < kHitCurve.size(); ++i) {
    const HitPoint &before = kHitCurve[i - 1], &after = kHitCurve[i];
    if (share > after.share) continue;
    const double along = (share - before.share) / (after.share - before.share);
    return before.hit_rate + along * (after.hit_rate - before.hit_rate);
  }
  return 1;
}

TokenCost expected_cost(const TokenWork& work, const MachineRates& rates, double capacity_share) {
  TokenCost cost;
  cost.hit_rate = expected_hit_rate(capacity_share);
  const double missed_bytes = (1 - cost.hit_rate) * static_cast<double>(work.routed_bytes);
  cost.read_bytes = static_cast<uint64_t>(missed_bytes);
  cost.read_ns = nanoseconds(missed_bytes, rates.disk);
  cost.compute_ns = nanoseconds(static_cast<double>(work.routed_bytes + work.dense_bytes), rates.kernels);
  cost.least_tokens_per_second = per_second(cost.read_ns + cost.compute_ns);
  cost.most_tokens_per_second = per_second(std::max(cost.read_ns, cost.compute_ns));
  return cost;
}

double memory_rate(ThreadPool& pool, std::span<const std::byte> bytes) {
  return rate_of(bytes.size(), [&] { read_memory(pool, bytes); });
}

Result<MachineRates> measure_rates(const Checkpoint& checkpoint, const ExpertCatalog& catalog,
                                   ReaderKind reader, size_t threads, const ProbeOptions& probe,
                                   std::span<const std::byte> resident) {
  MachineRates rates;
  std::vector<FileSpec> files;
  for (const auto& path : checkpoint.files()) {
    std::error_code error;
    files.push_back({path, std::filesystem::file_size(path, error)});
    if (error) return fail(ErrorCode::kNotFound, "{}: {}", path.string(), error.message());
  }
  SLUICE_ASSIGN(const ProbeFigures read, probe_files(files, extents_of(catalog), reader, probe));
  rates.disk = read.bytes_per_second();
  const uint64_t probe_bytes = weight_values_bytes(WeightFormat::kMXFP4, kProbeRows, kProbeCols) +
                               weight_scales_bytes(WeightFormat::kMXFP4, kProbeRows, kProbeCols);
  SLUICE_ASSIGN(const auto memory, MappedMemory::allocate(probe_bytes));
  std::memset(memory.data(), 0x7f, memory.size_bytes());  // scales of 1, codes of -6 and 6
  ThreadPool pool(threads);
  rates.kernels = kernel_rate(pool, memory.bytes());
  rates.memory = memory_rate(pool, resident.size() >= kBeyondCachesBytes ? resident : memory.bytes());
  return rates;
}

}  // namespace sluice
