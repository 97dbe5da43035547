#include "experts/expert_digests.h"

#include <xxhash.h>

#include <cstring>
#include <memory>
#include <string_view>

#include "base/fail.h"
#include "base/file.h"
#include "base/replace_file.h"

namespace sluice {
namespace {

// The file, little-endian: 8 bytes of magic, u32 version, u32 layers, u32 experts a layer, u32 zero, one u64
// for each expert, and a u64 of XXH3-64 over all before it.
constexpr std::string_view kDigestsMagic = "SLUICEDG";
constexpr uint32_t kDigestsVersion = 1;
constexpr size_t kHeaderBytes = 24;
constexpr size_t kDigestBytes = 8;
constexpr uint64_t kMostExperts = 1 << 24;  // far above any model: keeps a wild header from claiming memory

void put(std::vector<std::byte>& file, uint64_t value, size_t size_bytes) {
  for (size_t i = 0; i < size_bytes; ++i) file.push_back(static_cast<std::byte>(value >> (8 * i) & 0xff));
}

uint64_t get(std::span<const std::byte> file, size_t offset_bytes, size_t size_bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < size_bytes; ++i) value |= static_cast<uint64_t>(file[offset_bytes + i]) << (8 * i);
  return value;
}

}  // namespace

ExpertDigests::ExpertDigests(uint32_t layers, uint32_t experts_per_layer)
    : layers_(layers), experts_per_layer_(experts_per_layer), digests_(size_t{layers} * experts_per_layer) {}

uint64_t ExpertDigests::digest_of(std::span<const std::span<const std::byte>> parts) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), &XXH3_freeState);
  XXH3_64bits_reset(state.get());
  for (const auto& part : parts) {
    if (!part.empty()) XXH3_64bits_update(state.get(), part.data(), part.size());
  }
  return XXH3_64bits_digest(state.get());
}

Status ExpertDigests::check(uint32_t expert, std::span<const std::span<const std::byte>> parts) const {
  const uint64_t found = digest_of(parts);
  if (found == digests_[expert]) return {};
  return fail(
      ErrorCode::kCorrupt,
      "layer {}, expert {}: its bytes have the digest {:016x} and {:016x} was recorded: the disk or the "
      "file is damaged; fetch the checkpoint again (if it was changed on purpose: sluice checksum)",
      expert / experts_per_layer_, expert % experts_per_layer_, found, digests_[expert]);
}

Status ExpertDigests::check_geometry(const ExpertCatalog& catalog) const {
  if (catalog.layers() == layers_ && catalog.experts_per_layer() == experts_per_layer_) return {};
  return fail(
      ErrorCode::kCorrupt,
      "digests of {} layers of {} experts were found, the checkpoint has {} of {}: run sluice checksum again",
      layers_, experts_per_layer_, catalog.layers(), catalog.experts_per_layer());
}

std::vector<std::byte> ExpertDigests::serialise() const {
  std::vector<std::byte> file;
  file.reserve(kHeaderBytes + (digests_.size() + 1) * kDigestBytes);
  for (const char c : kDigestsMagic) file.push_back(static_cast<std::byte>(c));
  for (const uint32_t field : {kDigestsVersion, layers_, experts_per_layer_, 0U}) put(file, field, 4);
  for (const uint64_t digest : digests_) put(file, digest, kDigestBytes);
  put(file, XXH3_64bits(file.data(), file.size()), kDigestBytes);
  return file;
}

Result<ExpertDigests> ExpertDigests::parse(std::span<const std::byte> file, const std::string& file_name) {
  if (file.size() < kHeaderBytes + kDigestBytes ||
      std::memcmp(file.data(), kDigestsMagic.data(), kDigestsMagic.size()) != 0) {
    return fail(ErrorCode::kCorrupt, "{}: not a file of expert digests; run sluice checksum again",
                file_name);
  }
  if (const uint64_t version = get(file, 8, 4); version != kDigestsVersion) {
    return fail(ErrorCode::kCorrupt, "{}: version {} was found, {} was expected; run sluice checksum again",
                file_name, version, kDigestsVersion);
  }
  const uint64_t layers = get(file, 12, 4), experts = get(file, 16, 4);
  const bool sensible =
      layers > 0 && experts > 0 && layers <= kMostExperts && layers * experts <= kMostExperts;
  const size_t body_bytes = file.size() - kDigestBytes;
  if (!sensible || body_bytes != kHeaderBytes + layers * experts * kDigestBytes || get(file, 20, 4) != 0 ||
      get(file, body_bytes, kDigestBytes) != XXH3_64bits(file.data(), body_bytes)) {
    return fail(ErrorCode::kCorrupt, "{}: the file is damaged; run sluice checksum again", file_name);
  }
  ExpertDigests digests(static_cast<uint32_t>(layers), static_cast<uint32_t>(experts));
  for (size_t i = 0; i < digests.digests_.size(); ++i) {
    digests.digests_[i] = get(file, kHeaderBytes + i * kDigestBytes, kDigestBytes);
  }
  return digests;
}

Result<ExpertDigests> ExpertDigests::load(const std::filesystem::path& path) {
  constexpr uint64_t kLimitBytes = kHeaderBytes + (kMostExperts + 1) * kDigestBytes;
  SLUICE_ASSIGN(const std::string text, read_text_file(path, kLimitBytes));
  return parse(std::as_bytes(std::span(text)), path.string());
}

Status ExpertDigests::save(const std::filesystem::path& path) const {
  const Status replaced = replace_file(path, serialise());
  if (replaced) return {};
  return fail(ErrorCode::kIo, "{}; --output FILE writes the digests elsewhere", replaced.error().message);
}

}  // namespace sluice
