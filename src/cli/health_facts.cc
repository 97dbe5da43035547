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

// What measuring arithmetic takes; reads in flight come on top of it (engine/cost_model.h).
constexpr uint64_t kArithmeticBytes = 128'000'000;

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
  return {usable_cores(), granted_cores(), simd_target(), processor_features(),
          choice == nullptr ? "" : choice};
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
  facts.plan = found.automatic;
  facts.does_not_fit = std::move(found.does_not_fit);
  facts.work = {found.routed_bytes_per_token, found.dense_bytes_per_token};
  return {};
}

void try_uring(FileSet files, ReadingFacts& facts) {
  const auto reader = choose_reader(std::make_shared<const FileSet>(std::move(files)), {ReaderKind::kUring});
  facts.uring = reader.has_value();
  if (!reader) facts.uring_refusal = reader.error().message;
}

// io_uring needs a file, and this program is one.
void try_uring_without_checkpoint(ReadingFacts& facts) {
  const fs::path program = "/proc/self/exe";
  std::error_code error;
  const uint64_t size_bytes = fs::file_size(program, error);
  if (error) return;
  const std::vector<FileSpec> specs{{program, size_bytes}};
  if (auto files = FileSet::open(specs, FileAccess::kBuffered)) try_uring(std::move(*files), facts);
}

// Opens the shards as an engine does, and tries the reader that is wanted most.
void try_reading(const std::vector<fs::path>& shards, ReadingFacts& facts) {
  std::vector<FileSpec> specs;
  for (const fs::path& shard : shards) {
    std::error_code error;
    const uint64_t size_bytes = fs::file_size(shard, error);
    if (!error && fs::is_regular_file(shard, error)) specs.push_back({shard, size_bytes});
  }
  if (specs.empty()) return try_uring_without_checkpoint(facts);
  auto files = FileSet::open(specs, FileAccess::kDirect);
  if (!files) {
    facts.problem = files.error().message;
    return;
  }
  facts.direct = files->is_direct();
  facts.direct_refusal = files->direct_refusal();
  try_uring(std::move(*files), facts);
}

Result<MachineRates> measure(const fs::path& folder, const ProbeOptions& probe) {
  SLUICE_ASSIGN(const Checkpoint checkpoint, Checkpoint::open(folder));
  SLUICE_ASSIGN(const ExpertStorage storage, ExpertStorage::locate(checkpoint));
  return measure_rates(checkpoint, storage.catalog(), ReaderKind::kAuto, usable_cores(), probe);
}

// A machine without that much left is told what it needs, and not made to need more.
bool can_measure(const HealthFacts& facts, const ProbeOptions& probe) {
  if (!facts.checkpoint.problem.empty() || !facts.reading.problem.empty() || !facts.plan) return false;
  const uint64_t needed_bytes = kArithmeticBytes + probe.depth * facts.plan->slot_bytes;
  return facts.memory.available_bytes == 0 || facts.memory.available_bytes >= needed_bytes;
}

void find_checkpoint(const fs::path& folder, HealthFacts& facts) {
  check_shards(folder, facts.checkpoint);
  if (!facts.checkpoint.damaged_shards.empty()) {
    facts.checkpoint.problem = facts.checkpoint.damaged_shards.front();
  } else if (const auto found = find_model_facts(folder, facts); !found) {
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

std::optional<std::string> huge_page_mode(const fs::path& root) {
  const fs::path folder = root / "sys/kernel/mm";
  std::ifstream file(folder / "transparent_hugepage/enabled");
  for (std::string word; file >> word;) {  // "always [madvise] never"
    if (word.size() > 2 && word.front() == '[' && word.back() == ']') return word.substr(1, word.size() - 2);
  }
  std::error_code error;
  if (!fs::exists(folder, error) || fs::exists(folder / "transparent_hugepage", error)) return std::nullopt;
  return "";
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

Result<HealthFacts> find_health_facts(const fs::path& folder, const std::optional<ProbeOptions>& probe) {
  HealthFacts facts;
  facts.processor = find_processor();
  facts.memory = machine_memory();
  facts.limits = find_limits();
  facts.huge_pages = huge_page_mode();
  facts.reading.uring_is_disabled = uring_is_disabled();
  facts.checkpoint.folder = folder;
  if (std::error_code error; !folder.empty() && !fs::is_directory(folder, error)) {
    facts.checkpoint.problem = folder.string() + ": no such folder";
  }
  if (folder.empty() || !facts.checkpoint.problem.empty()) {
    try_uring_without_checkpoint(facts.reading);
    return facts;
  }
  find_checkpoint(folder, facts);
  const std::vector<fs::path> shards = shards_of(folder);
  facts.disk = disk_kind(fs::absolute(shards.empty() ? folder : shards.front()));
  try_reading(shards, facts.reading);
  if (!probe || !can_measure(facts, *probe)) return facts;
  auto rates = measure(folder, *probe);
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
