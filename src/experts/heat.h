// How much each expert is used in the long run: what a model's runs learnt, kept from one to the next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/result.h"

namespace sluice {

// What heat belongs to. Heat of another model, or of another version of it, says nothing.
struct HeatOwner {
  std::string
      checkpoint;  // an identity, the caller's: of its files' names, sizes and dates, say. <= 4096 bytes
  uint32_t layers = 0;
  uint32_t experts_per_layer = 0;
  bool operator==(const HeatOwner&) const = default;
};

// A counter for every expert, of the routes that asked for it; half of it is forgotten in kHalfLifeTokens.
// Experts are the catalog's indices. Not thread safe.
class Heat {
 public:
  static constexpr double kHalfLifeTokens = 4096;

  // layers and experts_per_layer >= 1.
  explicit Heat(HeatOwner owner);

  const HeatOwner& owner() const { return owner_; }

  // One token was routed to `experts` of `layer`; layers ascend within a token. O(experts).
  void on_route(uint32_t layer, std::span<const uint32_t> experts);

  // Uses, as remembered now; 0 for an expert that was never asked for.
  float of(uint32_t expert) const;
  // At most n experts that were asked for, the hottest first, of equals the lower index first.
  std::vector<uint32_t> hottest(size_t n) const;

  // The bytes of a file: version, owner, counters, and a checksum of all of it. The same on every machine.
  std::string encode() const;
  // What encode() wrote for this owner. Otherwise the reason why it does not fit, for people: it is then
  // ignored, whatever is wrong, and never stops a run.
  static Result<Heat> decode(std::string_view bytes, const HeatOwner& owner);

  // Replaces the file at once or not at all; makes its folder. kIo when it cannot be written.
  Status save(const std::filesystem::path& path) const;
  // kNotFound when there is none, kIo when it cannot be read, and what decode() says, naming the file.
  static Result<Heat> load(const std::filesystem::path& path, const HeatOwner& owner);

 private:
  void rescale();

  HeatOwner owner_;
  bool is_within_token_ = false;
  uint32_t last_layer_ = 0;
  // Counters are not decayed one by one: a use counts for more, the later it is.
  double weight_ = 1;           // of a use now
  std::vector<double> counts_;  // [experts], in uses of weight 1
};

}  // namespace sluice
