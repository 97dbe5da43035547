// Which files hold a checkpoint's tensors.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/result.h"

namespace sluice {

// What model.safetensors.index.json says; or, without one, the shards that lie in the folder and an empty
// map.
struct ShardIndex {
  std::vector<std::string> files;  // plain names, sorted, each once, at least one
  std::vector<std::pair<std::string, uint32_t>>
      weight_map;  // tensor to position in `files`; sorted by tensor
};

// The text of an index file. kCorrupt, naming file and tensor, for bad JSON, a missing or empty weight_map, a
// shard that is not a string or not the plain name of a .safetensors file: an index never leads out of its
// folder.
Result<ShardIndex> parse_shard_index(std::string_view json, const std::string& file_name);

// The index of a folder: from its index file, else model.safetensors alone, else every model*.safetensors.
// kNotFound when there is none of these.
Result<ShardIndex> find_shards(const std::filesystem::path& folder);

}  // namespace sluice
