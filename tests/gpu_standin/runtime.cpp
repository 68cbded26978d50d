// Streams, events and devices of the stand-in: README.md.
#include "tests/gpu_standin/faults.hpp"
#include "tests/gpu_standin/tasks.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include <cuda_runtime_api.h>

namespace {

std::atomic<int> device_count{4};

/// Counts of one event: work waits for what was recorded when it was enqueued, and later records do not
/// hold it up.
struct Marks {
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t recorded = 0;
  std::uint64_t reached = 0;

  std::uint64_t record() {
    const std::lock_guard lock(mutex);
    return ++recorded;
  }
  std::uint64_t latest() {
    const std::lock_guard lock(mutex);
    return recorded;
  }
  bool happened() {
    const std::lock_guard lock(mutex);
    return reached >= recorded;
  }
  void reach(std::uint64_t mark) {
    const std::lock_guard lock(mutex);
    reached = std::max(reached, mark);
    changed.notify_all();
  }
  void wait(std::uint64_t mark) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return reached >= mark; });
  }
};

}  // namespace

struct CUevent_st {
  std::shared_ptr<Marks> marks = std::make_shared<Marks>();
};

struct CUstream_st {
  CUstream_st() : worker_([this](const std::stop_token& stop) { run(stop); }) {}
  CUstream_st(const CUstream_st&) = delete;
  CUstream_st& operator=(const CUstream_st&) = delete;

  void add(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    changed_.notify_all();
  }
  bool idle() {
    const std::lock_guard lock(mutex_);
    return tasks_.empty() && !busy_;
  }
  void drain() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return tasks_.empty() && !busy_; });
  }

 private:
  void run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    for (;;) {
      // What was given before the stream is destroyed is still done, as CUDA does.
      if (!changed_.wait(lock, stop, [&] { return !tasks_.empty(); })) return;
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      busy_ = true;
      lock.unlock();
      task();
      lock.lock();
      busy_ = false;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::function<void()>> tasks_;
  bool busy_ = false;
  std::jthread worker_;  // the last member: it ends before the others do
};

namespace anemll::standin {

void set_device_count(int count) {
  device_count = count;
}

void enqueue(cudaStream_t stream, std::function<void()> task) {
  if (stream == nullptr)
    task();
  else
    stream->add(std::move(task));
}

}  // namespace anemll::standin

using anemll::standin::enqueue;

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorInvalidResourceHandle:
      return "invalid resource handle";
    case cudaErrorNotReady:
      return "device not ready";
  }
  return "unrecognized error code";
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = device_count;
  return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= device_count) return cudaErrorInvalidDevice;
  *properties = cudaDeviceProp{};
  std::strcpy(properties->name, "stand-in");
  std::memset(properties->uuid.bytes, 'A' + device, sizeof properties->uuid.bytes);
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  return device >= 0 && device < device_count ? cudaSuccess : cudaErrorInvalidDevice;
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned /*flags*/, int /*priority*/) {
  *stream = new CUstream_st();
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (stream == nullptr) return cudaErrorInvalidResourceHandle;
  stream->drain();
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream != nullptr) stream->drain();
  return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return stream == nullptr || stream->idle() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned /*flags*/) {
  if (event == nullptr) return cudaErrorInvalidResourceHandle;
  const std::shared_ptr<Marks> marks = event->marks;  // an event may go while work still waits for it
  const std::uint64_t mark = marks->latest();
  if (mark > 0) enqueue(stream, [marks, mark] { marks->wait(mark); });
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned /*flags*/) {
  *event = new CUevent_st();
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (event == nullptr) return cudaErrorInvalidResourceHandle;
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (event == nullptr) return cudaErrorInvalidResourceHandle;
  return event->marks->happened() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (event == nullptr) return cudaErrorInvalidResourceHandle;
  const std::shared_ptr<Marks> marks = event->marks;
  const std::uint64_t mark = marks->record();
  enqueue(stream, [marks, mark] { marks->reach(mark); });
  return cudaSuccess;
}
