// Writes tensors as a checkpoint's shards: the counterpart of safetensors.h, in the order in which the
// releases lie on disk. Tensors' bytes are asked for piece by piece, so that a shard is never in memory as a
// whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "checkpoint/tensor.h"
#include "sluice/result.h"

namespace sluice {

// A shard to be written.
struct ShardLayout {
  std::string name;                 // "model-00001-of-00004.safetensors"
  std::string header;               // the length field and the JSON text
  std::vector<TensorInfo> tensors;  // by their offset; extents count from the start of the file
  uint64_t size_bytes = 0;
};

// Distributes tensors (whose extents do not matter) over shards of at most `limit_bytes` of data, in the
// order given; within a shard they lie as the safetensors library puts them, types of large elements first,
// then by name: so weights and scales stand apart. kInvalidArgument when one tensor alone exceeds the limit.
Result<std::vector<ShardLayout>> lay_out_shards(std::vector<TensorInfo> tensors, uint64_t limit_bytes);

// The text of model.safetensors.index.json.
std::string shard_index_json(std::span<const ShardLayout> shards);

// Writes bytes [offset_bytes, offset_bytes + into.size()) of a tensor to `into`. Called by many threads at
// once.
using FillTensor =
    std::function<void(const TensorInfo& tensor, uint64_t offset_bytes, std::span<std::byte> into)>;

struct ShardWriting {
  FillTensor fill;
  // Called with the bytes of each piece that was written; by one thread at a time. May be empty.
  std::function<void(uint64_t bytes)> on_written;
  std::stop_token cancel;
};

// Writes one shard into `folder`, on the pool's threads, and waits until the disk has it. kIo with path and
// reason, kCancelled: the file is then incomplete, and the caller's to remove.
Status write_shard(const std::filesystem::path& folder, const ShardLayout& shard, const ShardWriting& writing,
                   ThreadPool& pool);

}  // namespace sluice
