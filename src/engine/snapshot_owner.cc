#include "engine/snapshot_owner.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <memory>
#include <vector>

#include "base/file.h"
#include "kernels/simd_target.h"
#include "sluice/numerics.h"

namespace sluice {
namespace {

// A digest of the running program. 0 when the system does not show it: builds are then not told apart.
uint64_t program_digest() {
  const auto file = File::open_read("/proc/self/exe");
  if (!file) return 0;
  const uint64_t size_bytes = file->size_bytes().value_or(0);
  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(),
                                                                              XXH3_freeState);
  XXH3_64bits_reset(state.get());
  std::vector<std::byte> piece(256 << 10);
  for (uint64_t at_bytes = 0; at_bytes < size_bytes; at_bytes += piece.size()) {
    const auto into = std::span(piece).first(std::min<uint64_t>(piece.size(), size_bytes - at_bytes));
    if (!file->read_exactly(at_bytes, into)) return 0;
    XXH3_64bits_update(state.get(), into.data(), into.size());
  }
  return XXH3_64bits_digest(state.get());
}

}  // namespace

std::string snapshot_owner(const LoadedModel& loaded) {
  static const uint64_t program = program_digest();
  return fmt::format("checkpoint {}, numerics {}, rows {}, {}, program {:016x}", loaded.identity,
                     numerics_name(loaded.model->numerics()), row_format_name(loaded.model->row_format()),
                     simd_target(), program);
}

}  // namespace sluice
