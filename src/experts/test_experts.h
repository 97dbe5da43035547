// For tests: a small made-up checkpoint on disk whose every byte can be foretold.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "experts/catalog.h"
#include "experts/expert_store.h"
#include "experts/open_store.h"
#include "experts/open_store_on_reader.h"
#include "storage/faulty_reader.h"
#include "storage/pread_pool.h"
#include "storage/test_files.h"

namespace sluice {

// 3 layers of 8 experts of 4 parts in 3 files: parts of uneven sizes, shuffled, with gaps, so that an expert
// straddles files and nothing is aligned. A part's bytes are a function of (layer, expert, part, offset).
class TestExperts {
 public:
  static constexpr uint32_t kLayers = 3;
  static constexpr uint32_t kExperts = 8;
  static constexpr uint32_t kParts = 4;
  static constexpr uint32_t kFiles = 3;

  explicit TestExperts(uint64_t seed = 1) {
    std::mt19937_64 random(seed);
    std::vector<size_t> places(size_t{kLayers} * kExperts * kParts);
    for (size_t i = 0; i < places.size(); ++i) places[i] = i;
    std::shuffle(places.begin(), places.end(), random);
    contents_.resize(kFiles);
    extents_.resize(places.size());
    for (const size_t place : places) {
      const auto file = static_cast<uint32_t>(random() % kFiles);
      std::vector<std::byte>& content = contents_[file];
      content.resize(content.size() + random() % 3000);  // a gap
      const auto part = bytes_of(place, 1 + random() % 20'000);
      extents_[place] = {file, content.size(), part.size()};
      content.insert(content.end(), part.begin(), part.end());
    }
    for (uint32_t file = 0; file < kFiles; ++file) {
      files_.push_back(dir_.write("part-" + std::to_string(file) + ".bin", contents_[file]));
    }
  }

  ExpertCatalog catalog() const { return *ExpertCatalog::create(kLayers, kExperts, kParts, extents_); }
  const std::vector<FileSpec>& files() const { return files_; }
  // Puts back what a test did to a file, in place.
  void restore(uint32_t file) const { dir_.write(files_[file].path.filename().string(), contents_[file]); }

  // Whether the lease holds exactly the bytes of this expert.
  testing::AssertionResult holds(const ExpertLease& lease, uint32_t layer, uint32_t expert) const {
    for (size_t part = 0; part < kParts; ++part) {
      const Extent& extent = extents_[(size_t{layer} * kExperts + expert) * kParts + part];
      const auto expected = std::span(contents_[extent.file]).subspan(extent.offset_bytes, extent.size_bytes);
      const std::span<const std::byte> bytes = lease.part(part);
      if (bytes.size() != expected.size() || std::memcmp(bytes.data(), expected.data(), bytes.size()) != 0) {
        return testing::AssertionFailure() << "layer " << layer << " expert " << expert << " part " << part;
      }
    }
    return testing::AssertionSuccess();
  }

  std::unique_ptr<ExpertStore> open(const ExpertStoreOptions& options) const {
    auto store = open_expert_store(options, catalog(), files_);
    if (!store) {
      ADD_FAILURE() << store.error().message;
      return nullptr;
    }
    return std::move(*store);
  }

  // A store with `slots` slots on a reader that can be told to fail.
  std::pair<std::unique_ptr<ExpertStore>, FaultyReader*> open_faulty(size_t slots, std::string policy = "lru",
                                                                     size_t threads = 4) const {
    auto reader = faulty_reader(threads);
    FaultyReader* faults = reader.get();
    ExpertStoreOptions options;
    options.capacity_slots = slots;
    options.policy = policy;
    auto store = open_expert_store_on_reader(options, catalog(), std::move(reader));
    if (!store) {
      ADD_FAILURE() << store.error().message;
      return {nullptr, nullptr};
    }
    return {std::move(*store), faults};
  }

  std::unique_ptr<FaultyReader> faulty_reader(size_t threads) const {
    auto files = FileSet::open(files_, FileAccess::kDirect);
    if (!files) {
      ADD_FAILURE() << files.error().message;
      return nullptr;
    }
    std::vector<std::string> names;
    for (const FileSpec& file : files_) names.push_back(file.path.filename().string());
    return std::make_unique<FaultyReader>(
        std::make_unique<PreadPool>(std::make_shared<const FileSet>(std::move(*files)), threads),
        std::move(names));
  }

 private:
  TempDir dir_;
  std::vector<Extent> extents_;
  std::vector<FileSpec> files_;
  std::vector<std::vector<std::byte>> contents_;
};

inline ExpertStoreOptions options_of(StreamMode mode, size_t slots) {
  ExpertStoreOptions options;
  options.mode = mode;
  options.capacity_slots = slots;
  options.policy = "lru";  // whose victims are easy to foretell
  return options;
}

inline ExpertRequest request_or_die(ExpertStore& store, uint32_t layer, const std::vector<uint32_t>& ids) {
  auto request = store.request(layer, ids);
  if (!request) ADD_FAILURE() << request.error().message;
  return std::move(*request);
}

// Takes every expert of the request, checks its bytes, lets go of it; the ids in order of arrival.
inline std::vector<uint32_t> take_all(const TestExperts& experts, ExpertRequest& request, uint32_t layer,
                                      const std::vector<uint32_t>& ids) {
  std::vector<uint32_t> order;
  while (request.remaining() > 0) {
    auto arrival = request.next();
    if (!arrival) {
      ADD_FAILURE() << arrival.error().message;
      break;
    }
    if (!arrival->lease) {
      ADD_FAILURE() << arrival->lease.error().message;
      break;
    }
    order.push_back(ids[arrival->index]);
    EXPECT_TRUE(experts.holds(*arrival->lease, layer, order.back()));
  }
  return order;
}

inline std::vector<uint32_t> ask_and_take(const TestExperts& experts, ExpertStore& store, uint32_t layer,
                                          const std::vector<uint32_t>& ids) {
  ExpertRequest request = request_or_die(store, layer, ids);
  return take_all(experts, request, layer, ids);
}

// What sluice checksum would find.
inline std::shared_ptr<ExpertDigests> digests_of(const TestExperts& experts) {
  const auto store = experts.open(options_of(StreamMode::kDirect, 8));
  const auto digests = std::make_shared<ExpertDigests>(TestExperts::kLayers, TestExperts::kExperts);
  for (uint32_t layer = 0; layer < TestExperts::kLayers; ++layer) {
    for (uint32_t id = 0; id < TestExperts::kExperts; ++id) {
      ExpertRequest request = request_or_die(*store, layer, {id});
      const auto arrival = request.next();
      std::vector<std::span<const std::byte>> parts;
      for (size_t part = 0; part < TestExperts::kParts; ++part) parts.push_back(arrival->lease->part(part));
      digests->set(layer * TestExperts::kExperts + id, ExpertDigests::digest_of(parts));
    }
  }
  return digests;
}

}  // namespace sluice
