#include "checkpoint/shard_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "base/file.h"
#include "base/memory.h"
#include "checkpoint/safetensors.h"

namespace sluice {
namespace {

constexpr uint64_t kPieceBytes = 4 << 20;
// What writes past the page cache are aligned to: as much as any common device asks for.
constexpr size_t kAlignmentBytes = 4096;

struct AlignedDelete {
  void operator()(std::byte* bytes) const { ::operator delete[](bytes, std::align_val_t(kAlignmentBytes)); }
};
using AlignedBytes = std::unique_ptr<std::byte[], AlignedDelete>;

// Past the page cache where the file system can: several times as fast, and nothing else is pushed out of it.
File create_file(const std::filesystem::path& path) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_CLOEXEC;
  const int direct = ::open(path.c_str(), kFlags | O_EXCL | O_DIRECT, 0666);
  if (direct >= 0 || errno != EINVAL) return File(direct);
  return File(::open(path.c_str(), kFlags, 0666));  // the refused attempt may have left an empty file
}

void put_extents(ShardLayout& shard) {
  std::stable_sort(shard.tensors.begin(), shard.tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    const auto size_a = dtype_size_bytes(a.dtype), size_b = dtype_size_bytes(b.dtype);
    if (size_a != size_b) return size_a > size_b;
    if (a.dtype != b.dtype) return std::strcmp(dtype_name(a.dtype), dtype_name(b.dtype)) < 0;
    return a.name < b.name;
  });
  nlohmann::json header{{"__metadata__", {{"format", "pt"}}}};
  uint64_t at_bytes = 0;
  for (TensorInfo& tensor : shard.tensors) {
    const uint64_t size_bytes = tensor.elements() * dtype_size_bytes(tensor.dtype);
    tensor.extent = {0, at_bytes, size_bytes};
    header[tensor.name] = {{"dtype", dtype_name(tensor.dtype)},
                           {"shape", tensor.shape},
                           {"data_offsets", {at_bytes, at_bytes + size_bytes}}};
    at_bytes += size_bytes;
  }
  std::string json = header.dump();
  json.resize((json.size() + 7) / 8 * 8, ' ');
  for (size_t i = 0; i < kSafetensorsPrefixBytes; ++i) {
    shard.header.push_back(static_cast<char>(json.size() >> (8 * i) & 0xff));
  }
  shard.header += json;
  for (TensorInfo& tensor : shard.tensors) tensor.extent.offset_bytes += shard.header.size();
  shard.size_bytes = shard.header.size() + at_bytes;
}

// What stands in a shard's file from `begin_bytes` on.
void fill_piece(const ShardLayout& shard, const FillTensor& fill, uint64_t begin_bytes,
                std::span<std::byte> into) {
  const uint64_t end_bytes = begin_bytes + into.size();
  if (begin_bytes < shard.header.size()) {
    const uint64_t count = std::min<uint64_t>(end_bytes, shard.header.size()) - begin_bytes;
    std::memcpy(into.data(), shard.header.data() + begin_bytes, count);
  }
  auto tensor = std::partition_point(
      shard.tensors.begin(), shard.tensors.end(),
      [&](const TensorInfo& before) { return before.extent.end_bytes() <= begin_bytes; });
  for (; tensor != shard.tensors.end() && tensor->extent.offset_bytes < end_bytes; ++tensor) {
    const uint64_t from_bytes = std::max(begin_bytes, tensor->extent.offset_bytes);
    const uint64_t to_bytes = std::min(end_bytes, tensor->extent.end_bytes());
    fill(*tensor, from_bytes - tensor->extent.offset_bytes,
         into.subspan(from_bytes - begin_bytes, to_bytes - from_bytes));
  }
}

Status write_at(const File& file, uint64_t offset_bytes, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written =
        ::pwrite(file.descriptor(), bytes.data(), bytes.size(), static_cast<off_t>(offset_bytes));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      return fail(ErrorCode::kIo, "write at byte {}: {}", offset_bytes, errno_text(errno));
    }
    offset_bytes += static_cast<uint64_t>(written);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return {};
}

// One shard on its way to the disk.
class ShardWrite {
 public:
  ShardWrite(const ShardLayout& shard, const ShardWriting& writing, const File& file)
      : shard_(shard), writing_(writing), file_(file) {}

  Status run(ThreadPool& pool) {
    const uint64_t pieces = (shard_.size_bytes + kPieceBytes - 1) / kPieceBytes;
    pool.parallel_for(pieces, 1, [&](size_t begin, size_t end) {
      for (size_t piece = begin; piece < end; ++piece) write_piece(piece);
    });
    SLUICE_TRY(std::move(status_));
    if (::ftruncate(file_.descriptor(), static_cast<off_t>(shard_.size_bytes)) != 0 ||
        ::fsync(file_.descriptor()) != 0) {
      return fail(ErrorCode::kIo, "writing it out: {}", errno_text(errno));
    }
    return {};
  }

 private:
  void write_piece(uint64_t piece) {
    {
      const std::lock_guard lock(mutex_);
      if (status_ && writing_.cancel.stop_requested()) status_ = fail(ErrorCode::kCancelled, "interrupted");
      if (!status_) return;
    }
    const uint64_t begin_bytes = piece * kPieceBytes;
    const uint64_t size_bytes = std::min(kPieceBytes, shard_.size_bytes - begin_bytes);
    const uint64_t padded_bytes = round_up(size_bytes, kAlignmentBytes);
    const AlignedBytes buffer(
        static_cast<std::byte*>(::operator new[](padded_bytes, std::align_val_t(kAlignmentBytes))));
    const std::span bytes(buffer.get(), padded_bytes);
    fill_piece(shard_, writing_.fill, begin_bytes, bytes.first(size_bytes));
    std::memset(bytes.data() + size_bytes, 0, padded_bytes - size_bytes);
    Status written = write_at(file_, begin_bytes, bytes);
    const std::lock_guard lock(mutex_);
    if (!written && status_) status_ = std::move(written);
    if (writing_.on_written) writing_.on_written(size_bytes);
  }

  const ShardLayout& shard_;
  const ShardWriting& writing_;
  const File& file_;
  std::mutex mutex_;
  Status status_;  // guarded by mutex_: the first error
};

}  // namespace

Result<std::vector<ShardLayout>> lay_out_shards(std::vector<TensorInfo> tensors, uint64_t limit_bytes) {
  std::vector<ShardLayout> shards;
  uint64_t held_bytes = 0;
  for (TensorInfo& tensor : tensors) {
    const uint64_t size_bytes = tensor.elements() * dtype_size_bytes(tensor.dtype);
    if (size_bytes > limit_bytes) {
      return fail(ErrorCode::kInvalidArgument, "{} has {} bytes; shards of {} at most were asked for",
                  tensor.name, size_bytes, limit_bytes);
    }
    if (shards.empty() || held_bytes + size_bytes > limit_bytes) {
      shards.emplace_back();
      held_bytes = 0;
    }
    held_bytes += size_bytes;
    shards.back().tensors.push_back(std::move(tensor));
  }
  for (size_t i = 0; i < shards.size(); ++i) {
    shards[i].name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    put_extents(shards[i]);
  }
  return shards;
}

std::string shard_index_json(std::span<const ShardLayout> shards) {
  uint64_t total_bytes = 0;
  nlohmann::json weight_map;
  for (const ShardLayout& shard : shards) {
    total_bytes += shard.size_bytes - shard.header.size();
    for (const TensorInfo& tensor : shard.tensors) weight_map[tensor.name] = shard.name;
  }
  return nlohmann::ordered_json{{"metadata", {{"total_size", total_bytes}}}, {"weight_map", weight_map}}.dump(
             1) +
         "\n";
}

Status write_shard(const std::filesystem::path& folder, const ShardLayout& shard, const ShardWriting& writing,
                   ThreadPool& pool) {
  const std::filesystem::path path = folder / shard.name;
  const File file = create_file(path);
  if (file.descriptor() < 0) return fail(ErrorCode::kIo, "{}: {}", path.string(), errno_text(errno));
  auto done = ShardWrite(shard, writing, file).run(pool);
  if (!done && done.error().code != ErrorCode::kCancelled) {
    return tl::unexpected(std::move(done.error()).in(path.string()));
  }
  return done;
}

}  // namespace sluice
