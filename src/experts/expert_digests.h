// A digest of every expert's bytes, kept in a file beside a checkpoint: what turns silent corruption into an
// error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "experts/catalog.h"
#include "sluice/result.h"

namespace sluice {

// The file's name within the checkpoint's folder.
inline constexpr const char* kExpertDigestsFile = "sluice-digests.bin";

// XXH3-64 over an expert's parts in the catalog's order, end to end: of the weights alone, not of where they
// lie. Once filled it is constant: any thread may check.
class ExpertDigests {
 public:
  // All digests are 0, to be set.
  ExpertDigests(uint32_t layers, uint32_t experts_per_layer);

  static uint64_t digest_of(std::span<const std::span<const std::byte>> parts);

  uint32_t layers() const { return layers_; }
  uint32_t experts_per_layer() const { return experts_per_layer_; }
  uint64_t digest(uint32_t expert) const { return digests_[expert]; }
  void set(uint32_t expert, uint64_t digest) { digests_[expert] = digest; }

  // Whether these bytes are the ones that were digested. `expert`: its index in the catalog, `parts` in the
  // catalog's order. kCorrupt names layer and expert.
  Status check(uint32_t expert, std::span<const std::span<const std::byte>> parts) const;

  // kCorrupt when the digests are of a model with other layers or experts.
  Status check_geometry(const ExpertCatalog& catalog) const;

  // The file's bytes; see the .cc for the format. kCorrupt, naming the file, for anything that serialise()
  // did not write: another version, a wrong size, a digest of the file itself that does not fit.
  std::vector<std::byte> serialise() const;
  static Result<ExpertDigests> parse(std::span<const std::byte> file, const std::string& file_name);

  // kNotFound when there is no file; kIo; parse's errors.
  static Result<ExpertDigests> load(const std::filesystem::path& path);
  // Writes a new file and puts it in the old one's place. kIo with path and reason.
  Status save(const std::filesystem::path& path) const;

  bool operator==(const ExpertDigests&) const = default;

 private:
  uint32_t layers_;
  uint32_t experts_per_layer_;
  std::vector<uint64_t> digests_;  // [layers, experts_per_layer]
};

}  // namespace sluice
