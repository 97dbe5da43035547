// A model's folder on disk, opened: its configuration, and a directory from tensor name to file, offset,
// shape and type. Reads headers only, never tensor data, and keeps no file open.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <vector>

#include "checkpoint/config.h"
#include "checkpoint/tensor.h"
#include "sluice/result.h"

namespace sluice {

// Immutable once opened: any thread may ask it anything. Pointers to its tensors live as long as it does,
// moved or not.
class Checkpoint {
 public:
  // Opens a folder with config.json and *.safetensors (see shard_index.h for which). Every header is checked,
  // and the index against the headers: a shard that is missing, cut short or not the one the index means, and
  // a tensor that stands in two shards, are errors that name it. Tensors that the index does not list are
  // ignored, with one warning. Tensors' bytes are not looked at.
  static Result<Checkpoint> open(const std::filesystem::path& folder);

  Checkpoint(Checkpoint&&) = default;
  Checkpoint& operator=(Checkpoint&&) = default;

  const std::filesystem::path& folder() const { return folder_; }
  const ModelConfig& config() const { return config_; }
  // The shards; Extent::file counts them.
  const std::vector<std::filesystem::path>& files() const { return files_; }
  // All tensors, sorted by name.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  // The sum of all tensors' sizes.
  uint64_t tensor_bytes() const;

  // The tensor of that name, or null.
  const TensorInfo* find(std::string_view name) const;

  // The tensor of that name, which must have one of the types and the shape. kNotFound when it is missing,
  // with the name that was probably meant if one is close; kCorrupt, naming its file, when it is something
  // else.
  Result<const TensorInfo*> require(std::string_view name, std::initializer_list<DType> types,
                                    const std::vector<uint64_t>& shape) const;

  // tokenizer.json, if the folder has one.
  std::optional<std::filesystem::path> tokenizer_path() const;

 private:
  Checkpoint() = default;
  Status read_tensors();

  std::filesystem::path folder_;
  ModelConfig config_;
  std::vector<std::filesystem::path> files_;
  std::vector<TensorInfo> tensors_;  // sorted by name
};

}  // namespace sluice
