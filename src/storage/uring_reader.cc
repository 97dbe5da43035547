#include "storage/uring_reader.h"

#include <liburing.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <iterator>
#include <utility>

#include "base/fail.h"

namespace sluice {
namespace {

// The kernel counts the bytes of a read in 32 bits.
constexpr size_t kMaxReadBytes = size_t{1} << 30;

tl::unexpected<Error> refusal(int error_number) {
  const char* name = ::strerrorname_np(error_number);
  if (name == nullptr) name = "unknown error";
  switch (error_number) {
    case ENOSYS:
      return fail(ErrorCode::kUnsupported, "this kernel has no io_uring ({})", name);
    case EPERM:
    case EACCES:
      return fail(ErrorCode::kUnsupported, "io_uring is not permitted here ({})", name);
    case ENOMEM:
      return fail(ErrorCode::kUnsupported, "io_uring may not lock the memory that it needs ({})", name);
    default:
      return fail(ErrorCode::kUnsupported, "io_uring does not start ({})", name);
  }
}

// Completions need not interrupt the ring's thread: it looks for them whenever it enters the kernel. Kernels
// before 5.19 do not know the wish.
int init_ring(unsigned entries, io_uring* ring) {
  const int outcome = ::io_uring_queue_init(entries, ring, IORING_SETUP_COOP_TASKRUN);
  return outcome == -EINVAL ? ::io_uring_queue_init(entries, ring, 0) : outcome;
}

bool can_read(io_uring* ring) {
  io_uring_probe* probe = ::io_uring_get_probe_ring(ring);
  if (probe == nullptr) return false;
  const bool supported = ::io_uring_opcode_supported(probe, IORING_OP_READ) != 0;
  ::io_uring_free_probe(probe);
  return supported;
}

}  // namespace

void UringReader::RingCloser::operator()(io_uring* ring) const {
  ::io_uring_queue_exit(ring);
  delete ring;
}

UringReader::UringReader(std::shared_ptr<const FileSet> files, size_t depth)
    : files_(std::move(files)), depth_(depth), flights_(depth), free_flights_(depth) {
  assert(depth >= 1 && depth <= kMaxDepth);
  for (size_t i = 0; i < depth; ++i) free_flights_[i] = static_cast<uint32_t>(depth - 1 - i);
}

Result<std::unique_ptr<UringReader>> UringReader::create(std::shared_ptr<const FileSet> files, size_t depth) {
  std::unique_ptr<UringReader> reader(new UringReader(std::move(files), depth));
  SLUICE_TRY(reader->open_ring());
  reader->register_files();
  reader->thread_ = std::thread([raw = reader.get()] { raw->run(); });
  return reader;
}

Status UringReader::open_ring() {
  wake_event_ = File(::eventfd(0, EFD_CLOEXEC));
  if (wake_event_.descriptor() < 0) return refusal(errno);
  // One more than reads, for the wake-up. The queue of completions has twice as many places: never too few.
  auto ring = std::make_unique<io_uring>();
  const int outcome = init_ring(static_cast<unsigned>(depth_ + 1), ring.get());
  if (outcome < 0) return refusal(-outcome);
  ring_.reset(ring.release());
  if (!can_read(ring_.get())) return fail(ErrorCode::kUnsupported, "this kernel's io_uring is too old");
  return {};
}

// Spares the kernel a look-up for every read. A refusal (a limit on files) costs only that.
void UringReader::register_files() {
  std::vector<int> descriptors;
  for (uint32_t file = 0; file < files_->count(); ++file) descriptors.push_back(*files_->descriptor(file));
  files_are_registered_ = ::io_uring_register_files(ring_.get(), descriptors.data(),
                                                    static_cast<unsigned>(descriptors.size())) == 0;
}

UringReader::~UringReader() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  wake();
  thread_.join();
}

void UringReader::submit(std::vector<ReadOp> ops) {
  if (ops.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    submitted_.insert(submitted_.end(), std::make_move_iterator(ops.begin()),
                      std::make_move_iterator(ops.end()));
    if (!std::exchange(is_asleep_, false)) return;
  }
  wake();
}

void UringReader::will_read_into(std::vector<std::span<std::byte>> buffers) {
  // The ring's thread looks at them only for reads, which it takes over under the same lock.
  const std::lock_guard lock(mutex_);
  buffers_.reset(*ring_, std::move(buffers));
}

void UringReader::wake() {
  const uint64_t one = 1;
  // Fails only when the count is about to overflow, and then the thread is awake.
  [[maybe_unused]] const ssize_t written = ::write(wake_event_.descriptor(), &one, sizeof(one));
}

void UringReader::run() {
  while (take_submitted()) {
    start_flights();
    enter();
    take_completed();
  }
}

// False when the end has come. Otherwise the thread counts as asleep from here on until it has been in the
// kernel: whatever is submitted meanwhile wakes it.
bool UringReader::take_submitted() {
  const std::lock_guard lock(mutex_);
  waiting_.insert(waiting_.end(), std::make_move_iterator(submitted_.begin()),
                  std::make_move_iterator(submitted_.end()));
  submitted_.clear();
  const bool is_idle = waiting_.empty() && free_flights_.size() == depth_;
  // A pending read of wake_event_ must not outlive its destination; the destructor's wake() ends it.
  if (is_ending_ && is_idle && !is_listening_) return false;
  is_asleep_ = true;
  if (!is_ending_ && !is_listening_) ask_for_wake();
  return true;
}

void UringReader::start_flights() {
  while (!waiting_.empty() && !free_flights_.empty()) {
    ReadOp op = std::move(waiting_.front());
    waiting_.pop_front();
    start(std::move(op));
  }
}

void UringReader::start(ReadOp op) {
  if (const auto descriptor = files_->descriptor(op.file); !descriptor) {
    op.done(tl::unexpected(descriptor.error()));
    return;
  }
  const uint32_t flight = free_flights_.back();
  free_flights_.pop_back();
  const ReadProgress progress(op.offset_bytes, op.into, op.needed_bytes, files_->alignment_bytes());
  flights_[flight].emplace(Flight{std::move(op), progress});
  ask(flight);
}

void UringReader::ask(uint32_t flight) {
  const auto& [op, progress] = *flights_[flight];
  const std::span<std::byte> rest = progress.next_into();
  const auto size_bytes = static_cast<unsigned>(std::min(rest.size(), kMaxReadBytes));
  const int file = files_are_registered_ ? static_cast<int>(op.file) : *files_->descriptor(op.file);
  io_uring_sqe* entry = ::io_uring_get_sqe(ring_.get());
  assert(entry != nullptr);  // the ring has a place for every flight
  const uint64_t offset_bytes = progress.next_offset_bytes();
  if (const auto place = buffers_.place_of(rest.first(size_bytes))) {
    ::io_uring_prep_read_fixed(entry, file, rest.data(), size_bytes, offset_bytes, *place);
  } else {
    ::io_uring_prep_read(entry, file, rest.data(), size_bytes, offset_bytes);
  }
  if (files_are_registered_) ::io_uring_sqe_set_flags(entry, IOSQE_FIXED_FILE);
  ::io_uring_sqe_set_data64(entry, flight);
}

void UringReader::ask_for_wake() {
  io_uring_sqe* entry = ::io_uring_get_sqe(ring_.get());
  assert(entry != nullptr);
  ::io_uring_prep_read(entry, wake_event_.descriptor(), &wake_count_, sizeof(wake_count_), 0);
  ::io_uring_sqe_set_data64(entry, depth_);
  is_listening_ = true;
}

void UringReader::enter() {
  const bool may_wait = is_listening_ || free_flights_.size() < depth_;
  const int outcome = ::io_uring_submit_and_wait(ring_.get(), may_wait ? 1 : 0);
  // Interrupted, or short of memory for the moment: what was not handed over stays in the ring for next time.
  assert(outcome >= 0 || outcome == -EINTR || outcome == -EAGAIN || outcome == -EBUSY);
  if (outcome == -EAGAIN || outcome == -EBUSY) std::this_thread::yield();
  const std::lock_guard lock(mutex_);
  is_asleep_ = false;
}

void UringReader::take_completed() {
  io_uring_cqe* entry = nullptr;
  while (::io_uring_peek_cqe(ring_.get(), &entry) == 0) {
    const uint64_t number = ::io_uring_cqe_get_data64(entry);
    const int32_t outcome = entry->res;
    ::io_uring_cqe_seen(ring_.get(), entry);
    if (number == depth_) {
      is_listening_ = false;
    } else {
      advance(static_cast<uint32_t>(number), outcome);
    }
  }
}

void UringReader::advance(uint32_t flight, int32_t outcome) {
  if (!flights_[flight]->progress.advance(outcome)) {
    ask(flight);
    return;
  }
  const Flight ended = std::move(*flights_[flight]);
  flights_[flight].reset();
  free_flights_.push_back(flight);
  ended.op.done(ended.progress.result(files_->name(ended.op.file)));
}

}  // namespace sluice
