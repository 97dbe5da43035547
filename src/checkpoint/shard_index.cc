#include "checkpoint/shard_index.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "base/file.h"
#include "checkpoint/strict_json.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr uint64_t kIndexLimitBytes = 256'000'000;  // Flash's 70,000 tensors need 5 MB
constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr const char* kSingleName = "model.safetensors";
constexpr std::string_view kShardPrefix = "model";
constexpr std::string_view kShardSuffix = ".safetensors";

bool is_plain_shard_name(std::string_view name) {
  constexpr std::string_view kForbidden("/\\\0", 3);
  return name.size() > kShardSuffix.size() && name.ends_with(kShardSuffix) && !name.starts_with('.') &&
         name.find_first_of(kForbidden) == std::string_view::npos;
}

Result<std::vector<std::string>> list_shards(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(kShardPrefix) && is_plain_shard_name(name)) names.push_back(name);
  }
  if (error) return fail(ErrorCode::kIo, "{}: cannot list the folder: {}", folder.string(), error.message());
  std::sort(names.begin(), names.end());
  return names;
}

uint32_t position_of(const std::vector<std::string>& sorted, const std::string& name) {
  return static_cast<uint32_t>(std::lower_bound(sorted.begin(), sorted.end(), name) - sorted.begin());
}

}  // namespace

Result<ShardIndex> parse_shard_index(std::string_view text, const std::string& file_name) {
  SLUICE_ASSIGN(const json root, parse_strict_json(text, file_name));
  const auto found = root.find("weight_map");
  const auto* map = found == root.end() ? nullptr : found->get_ptr<const json::object_t*>();
  if (map == nullptr || map->empty()) {
    return fail(ErrorCode::kCorrupt,
                "{}: weight_map is missing or empty; an object from tensor to shard was expected", file_name);
  }
  ShardIndex index;
  for (const auto& [tensor, shard] : *map) {
    const auto* name = shard.get_ptr<const std::string*>();
    if (name == nullptr || !is_plain_shard_name(*name)) {
      return fail(ErrorCode::kCorrupt,
                  "{}: weight_map puts tensor {} in {}; the plain name of a {} file was expected", file_name,
                  tensor, shard.dump(-1, ' ', true, json::error_handler_t::replace), kShardSuffix);
    }
    if (index.files.empty() || index.files.back() != *name) index.files.push_back(*name);
  }
  std::sort(index.files.begin(), index.files.end());
  index.files.erase(std::unique(index.files.begin(), index.files.end()), index.files.end());
  index.weight_map.reserve(map->size());
  for (const auto& [tensor, shard] : *map) {
    index.weight_map.emplace_back(tensor, position_of(index.files, *shard.get_ptr<const std::string*>()));
  }
  return index;
}

Result<ShardIndex> find_shards(const fs::path& folder) {
  std::error_code ignored;  // what cannot be asked about is not there; opening it says why
  if (fs::exists(folder / kIndexName, ignored)) {
    SLUICE_ASSIGN(const std::string text, read_text_file(folder / kIndexName, kIndexLimitBytes));
    return parse_shard_index(text, kIndexName);
  }
  if (fs::exists(folder / kSingleName, ignored)) return ShardIndex{{kSingleName}, {}};
  SLUICE_ASSIGN(std::vector<std::string> names, list_shards(folder));
  if (names.empty()) {
    return fail(ErrorCode::kNotFound, "{}: no tensors: neither {}, nor {}, nor any {}*{}", folder.string(),
                kIndexName, kSingleName, kShardPrefix, kShardSuffix);
  }
  return ShardIndex{std::move(names), {}};
}

}  // namespace sluice
