#include "cli/health_facts.h"

#include <linux/capability.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/fail.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/shard_index.h"
#include "cli/inspection.h"
#include "kernels/simd_target.h"
#include "model/bind_weights.h"
#include "storage/choose_reader.h"
#include "text/tokenizer.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

// What matters to products of weights, in the spelling of /proc/cpuinfo: x86's, then ARM's.
constexpr std::array kFeatures = {"avx2",     "fma",         "f16c",        "avx_vnni",    "avx512f",
                                  "avx512bw", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile",
                                  "amx_int8", "amx_bf16",    "asimd",       "asimddp",     "sve",
                                  "sve2",     "i8mm",        "bf16"};

// The first line of the file that begins with `key` and a colon: what follows. Empty: there is none.
std::string read_line_of(const fs::path& path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const size_t end = line.find_last_not_of(" \t", colon - 1);
    if (colon > 0 && std::string_view(line).substr(0, end + 1) == key) return line.substr(colon + 1);
  }
  return {};
}

std::optional<int> uring_is_disabled() {
  std::ifstream file("/proc/sys/kernel/io_uring_disabled");
  int value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

ProcessorFacts find_processor() {
  const char* choice = std::getenv("SLUICE_CPU");
  return {usable_cores(), simd_target(), processor_features(), choice == nullptr ? "" : choice};
}

uint64_t limit_of(decltype(RLIMIT_NOFILE) resource) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return LimitFacts::kNone;
  return limit.rlim_cur;
}

LimitFacts find_limits() {
  return {limit_of(RLIMIT_NOFILE), may_lock_any_amount() ? LimitFacts::kNone : limit_of(RLIMIT_MEMLOCK)};
}

// What is wrong with a shard, in `facts`. A pipe under its name would block whoever opens it.
void check_shard(const fs::path& path, CheckpointFacts& facts) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::is_regular_file(status)) {
    const char* what = fs::exists(status) ? "not a file" : "missing";
    facts.damaged_shards.push_back(fmt::format("{}: {}", path.filename().string(), what));
    return;
  }
  const auto tensors = read_safetensors(path, 0);
  if (!tensors) {
    facts.damaged_shards.push_back(tensors.error().message);
    return;
  }
  uint64_t end_bytes = 0;
  for (const TensorInfo& tensor : *tensors) end_bytes = std::max(end_bytes, tensor.extent.end_bytes());
  const uint64_t size_bytes = fs::file_size(path, error);
  if (error || tensors->empty() || size_bytes <= end_bytes) return;
  facts.oversized_shards.push_back(fmt::format("{}: it has {} bytes, {} more than its header says",
                                               path.filename().string(), size_bytes, size_bytes - end_bytes));
}

// The model's part of the facts; its error is the checkpoint's problem.
Status find_model_facts(const fs::path& folder, HealthFacts& facts) {
  SLUICE_ASSIGN(Inspection found,
                inspect_checkpoint(folder, /*context_tokens=*/0, facts.memory.available_bytes));
  facts.checkpoint.tensors = found.tensors;
  facts.checkpoint.tensor_bytes = found.tensor_bytes;
  facts.plan = std::move(found.automatic);
  facts.does_not_fit = std::move(found.does_not_fit);
  facts.work = {found.routed_bytes_per_token, found.dense_bytes_per_token};
  return {};
}

// Opens the shards as an engine does, and tries the reader that is wanted most.
void try_reading(const std::vector<fs::path>& shards, ReadingFacts& facts) {
  std::vector<FileSpec> specs;
  for (const fs::path& shard : shards) {
    std::error_code error;
    const uint64_t size_bytes = fs::file_size(shard, error);
    if (!error && fs::is_regular_file(shard, error)) specs.push_back({shard, size_bytes});
  }
  if (specs.empty()) return;
  auto files = FileSet::open(specs, FileAccess::kDirect);
  if (!files) {
    facts.problem = files.error().message;
    return;
  }
  facts.direct = files->is_direct();
  facts.direct_refusal = files->direct_refusal();
  const auto uring = choose_reader(std::make_shared<const FileSet>(std::move(*files)), {ReaderKind::kUring});
  facts.uring = uring.has_value();
  if (!uring) facts.uring_refusal = uring.error().message;
}

Result<MachineRates> measure(const fs::path& folder, const std::stop_token& cancel) {
  SLUICE_ASSIGN(const Checkpoint checkpoint, Checkpoint::open(folder));
  SLUICE_ASSIGN(const ExpertStorage storage, ExpertStorage::locate(checkpoint));
  return measure_rates(checkpoint, storage.catalog(), ReaderKind::kAuto, usable_cores(), cancel);
}

void find_checkpoint(const fs::path& folder, HealthFacts& facts) {
  check_shards(folder, facts.checkpoint);
  if (const auto found = find_model_facts(folder, facts); !found) {
    facts.checkpoint.problem = found.error().message;
  }
  const auto tokenizer = Tokenizer::load(folder / "tokenizer.json");
  facts.checkpoint.tokenizer_problem = tokenizer ? "" : tokenizer.error().message;
}

// The files that the folder's index names, or none.
std::vector<fs::path> shards_of(const fs::path& folder) {
  std::vector<fs::path> shards;
  if (const auto index = find_shards(folder)) {
    for (const std::string& name : index->files) shards.push_back(folder / name);
  }
  return shards;
}

}  // namespace

std::vector<std::string> processor_features(const fs::path& root) {
  std::istringstream words(read_line_of(root / "proc/cpuinfo", "flags") +
                           read_line_of(root / "proc/cpuinfo", "Features"));
  std::vector<std::string> all, known;
  for (std::string word; words >> word;) all.push_back(word);
  for (const char* feature : kFeatures) {
    if (std::find(all.begin(), all.end(), feature) != all.end()) known.emplace_back(feature);
  }
  return known;
}

std::string huge_page_mode(const fs::path& root) {
  std::ifstream file(root / "sys/kernel/mm/transparent_hugepage/enabled");
  for (std::string word; file >> word;) {  // "always [madvise] never"
    if (word.size() > 2 && word.front() == '[' && word.back() == ']') return word.substr(1, word.size() - 2);
  }
  return {};
}

bool may_lock_any_amount(const fs::path& root) {
  const std::string effective = read_line_of(root / "proc/self/status", "CapEff");
  return (std::strtoull(effective.c_str(), nullptr, 16) >> CAP_IPC_LOCK & 1) != 0;
}

void check_shards(const fs::path& folder, CheckpointFacts& facts) {
  const std::vector<fs::path> shards = shards_of(folder);
  facts.files = shards.size();
  for (const fs::path& shard : shards) check_shard(shard, facts);
}

Result<HealthFacts> find_health_facts(const Result<fs::path>& folder, bool measure_too,
                                      const std::stop_token& cancel) {
  HealthFacts facts;
  facts.processor = find_processor();
  facts.memory = machine_memory();
  facts.limits = find_limits();
  facts.huge_pages = huge_page_mode();
  facts.reading.uring_is_disabled = uring_is_disabled();
  if (!folder) {
    facts.checkpoint.problem = folder.error().message;
    return facts;
  }
  facts.checkpoint.folder = *folder;
  if (std::error_code error; !fs::is_directory(*folder, error)) {
    facts.checkpoint.problem = folder->string() + ": no such folder";
    return facts;
  }
  find_checkpoint(*folder, facts);
  const std::vector<fs::path> shards = shards_of(*folder);
  facts.disk = disk_kind(fs::absolute(shards.empty() ? *folder : shards.front()));
  try_reading(shards, facts.reading);
  if (!measure_too || !facts.checkpoint.problem.empty() || !facts.reading.problem.empty()) return facts;
  auto rates = measure(*folder, cancel);
  if (rates) {
    facts.rates = *rates;
  } else if (rates.error().code == ErrorCode::kCancelled) {
    return tl::unexpected(std::move(rates).error());
  } else {
    facts.rates_problem = rates.error().message;
  }
  return facts;
}

}  // namespace sluice
