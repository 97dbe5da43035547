#include "experts/heat.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <system_error>

#include "base/fail.h"
#include "base/file.h"
#include "base/little_endian.h"
#include "base/replace_file.h"

namespace sluice {
namespace {

// A file: magic and version, layers, experts per layer, identity's length (each 4 bytes, little endian), the
// identity, a float for every expert, and XXH3 (8 bytes) of everything before it.
constexpr std::string_view kHeatMagic = "sluice-heat\n";
constexpr uint32_t kHeatVersion = 1;
constexpr size_t kHeadBytes = 12 + 4 * sizeof(uint32_t);
constexpr size_t kChecksumBytes = sizeof(uint64_t);
constexpr size_t kMaxIdentityBytes = 4096;
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 30;
constexpr double kLargestWeight = 1e100;

uint64_t checksum(std::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

template <class... Args>
tl::unexpected<Error> misfit(fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorCode::kCorrupt, "{}", fmt::format(format, std::forward<Args>(args)...));
}

// What stands before the counters, checked; `bytes` is left with those.
Status take_head(std::string_view& bytes, const HeatOwner& owner) {
  if (bytes.size() < kHeadBytes + kChecksumBytes || !bytes.starts_with(kHeatMagic))
    return misfit("no heat file: {} bytes that begin otherwise", bytes.size());
  std::string_view checksum_bytes = bytes.substr(bytes.size() - kChecksumBytes);
  bytes.remove_suffix(kChecksumBytes);
  const uint64_t computed = checksum(bytes);
  bytes.remove_prefix(kHeatMagic.size());
  if (const auto version = take_little_endian<uint32_t>(bytes); version != kHeatVersion)
    return misfit("found version {}, expected {}", version, kHeatVersion);
  if (take_little_endian<uint64_t>(checksum_bytes) != computed)
    return misfit("damaged: its checksum is another one");
  const auto layers = take_little_endian<uint32_t>(bytes);
  const auto experts = take_little_endian<uint32_t>(bytes);
  if (layers != owner.layers || experts != owner.experts_per_layer)
    return misfit("found {} layers of {} experts, expected {} of {}", layers, experts, owner.layers,
                  owner.experts_per_layer);
  const auto identity_bytes = take_little_endian<uint32_t>(bytes);
  if (bytes.substr(0, identity_bytes) != owner.checkpoint || identity_bytes != owner.checkpoint.size())
    return misfit("it belongs to another checkpoint");
  bytes.remove_prefix(identity_bytes);
  return {};
}

}  // namespace

Heat::Heat(HeatOwner owner)
    : owner_(std::move(owner)), counts_(size_t{owner_.layers} * owner_.experts_per_layer) {
  assert(!counts_.empty() && owner_.checkpoint.size() <= kMaxIdentityBytes);
}

void Heat::on_route(uint32_t layer, std::span<const uint32_t> experts) {
  if (is_within_token_ && layer <= last_layer_) {
    weight_ *= std::exp2(1 / kHalfLifeTokens);
    if (weight_ > kLargestWeight) rescale();
  }
  is_within_token_ = true;
  last_layer_ = layer;
  for (const uint32_t expert : experts) counts_[expert] += weight_;
}

void Heat::rescale() {
  for (double& count : counts_) count /= weight_;
  weight_ = 1;
}

float Heat::of(uint32_t expert) const {
  return static_cast<float>(counts_[expert] / weight_);
}

std::vector<uint32_t> Heat::hottest(size_t n) const {
  std::vector<uint32_t> experts;
  for (uint32_t expert = 0; expert < counts_.size(); ++expert)
    if (of(expert) > 0) experts.push_back(expert);
  const auto end = experts.begin() + static_cast<ptrdiff_t>(std::min(n, experts.size()));
  std::partial_sort(experts.begin(), end, experts.end(), [this](uint32_t a, uint32_t b) {
    return counts_[a] != counts_[b] ? counts_[a] > counts_[b] : a < b;
  });
  experts.erase(end, experts.end());
  return experts;
}

std::string Heat::encode() const {
  std::string bytes(kHeatMagic);
  append_little_endian(bytes, kHeatVersion);
  append_little_endian(bytes, owner_.layers);
  append_little_endian(bytes, owner_.experts_per_layer);
  append_little_endian(bytes, static_cast<uint32_t>(owner_.checkpoint.size()));
  bytes += owner_.checkpoint;
  for (uint32_t expert = 0; expert < counts_.size(); ++expert)
    append_little_endian(bytes, std::bit_cast<uint32_t>(of(expert)));
  append_little_endian(bytes, checksum(bytes));
  return bytes;
}

Result<Heat> Heat::decode(std::string_view bytes, const HeatOwner& owner) {
  SLUICE_TRY(take_head(bytes, owner));
  Heat heat(owner);
  if (bytes.size() != heat.counts_.size() * sizeof(float))
    return misfit("found {} bytes of counters, expected {}", bytes.size(),
                  heat.counts_.size() * sizeof(float));
  for (double& count : heat.counts_) {
    count = std::bit_cast<float>(take_little_endian<uint32_t>(bytes));
    if (!std::isfinite(count) || count < 0) return misfit("found a counter of {}", count);
  }
  return heat;
}

Status Heat::save(const std::filesystem::path& path) const {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);  // what is wrong shows when writing
  const std::string bytes = encode();
  return replace_file(path, std::as_bytes(std::span(bytes)));
}

Result<Heat> Heat::load(const std::filesystem::path& path, const HeatOwner& owner) {
  SLUICE_ASSIGN(const std::string bytes, read_text_file(path, kMaxFileBytes));
  auto heat = decode(bytes, owner);
  if (!heat) return tl::unexpected(std::move(heat).error().in(path.string()));
  return heat;
}

}  // namespace sluice
