#include "storage/choose_reader.h"

#include <string_view>
#include <utility>

#include "base/fail.h"

namespace sluice {
namespace {

Status check(const ReaderOptions& options) {
  if (options.pread_threads < 1) return fail(ErrorCode::kInvalidArgument, "nothing is read with 0 threads");
  if (options.uring_depth < 1 || options.uring_depth > UringReader::kMaxDepth) {
    return fail(ErrorCode::kInvalidArgument, "io_uring with {} reads in flight; expected 1 to {}",
                options.uring_depth, UringReader::kMaxDepth);
  }
  return {};
}

std::string_view way(const FileSet& files) {
  return files.is_direct() ? "past the page cache" : "through the page cache";
}

Result<ChosenReader> make_uring(std::shared_ptr<const FileSet> files, size_t depth) {
  const std::string description = fmt::format("io_uring, {} in flight, {}", depth, way(*files));
  SLUICE_ASSIGN(auto reader, UringReader::create(std::move(files), depth));
  return ChosenReader{std::move(reader), ReaderKind::kUring, description};
}

ChosenReader make_pread(std::shared_ptr<const FileSet> files, size_t threads) {
  const std::string description =
      fmt::format("pread on {} thread{}, {}", threads, threads == 1 ? "" : "s", way(*files));
  return {std::make_unique<PreadPool>(std::move(files), threads), ReaderKind::kPread, description};
}

}  // namespace

Result<ChosenReader> choose_reader(std::shared_ptr<const FileSet> files, const ReaderOptions& options) {
  SLUICE_TRY(check(options));
  if (options.kind == ReaderKind::kPread) return make_pread(std::move(files), options.pread_threads);
  auto uring = make_uring(files, options.uring_depth);
  if (uring || options.kind == ReaderKind::kUring) return uring;
  ChosenReader pread = make_pread(std::move(files), options.pread_threads);
  pread.description += ": " + uring.error().message;
  return pread;
}

}  // namespace sluice
