// The options of programs that compute: on which device, in what precision, with how many threads. What they
// mean on this machine is in src/model/compute.hpp.
#pragma once

#include "anemll/core/choices.hpp"
#include "anemll/core/options.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace anemll {

enum class DeviceChoice {
  automatic,  ///< a GPU when this build and machine have one
  cpu,
  cuda,
};

inline constexpr auto kDeviceChoices = std::to_array<Choice<DeviceChoice>>({
    {DeviceChoice::automatic, "auto"},
    {DeviceChoice::cpu, "cpu"},
    {DeviceChoice::cuda, "cuda"},
});
constexpr std::span<const Choice<DeviceChoice>> choices_of(DeviceChoice) {
  return kDeviceChoices;
}

/// Of matrix products.
enum class Precision {
  automatic,  ///< bf16 where the hardware has it and nothing speaks against it
  fp32,
  bf16,
};

inline constexpr auto kPrecisions = std::to_array<Choice<Precision>>({
    {Precision::automatic, "auto"},
    {Precision::fp32, "fp32"},
    {Precision::bf16, "bf16"},
});
constexpr std::span<const Choice<Precision>> choices_of(Precision) {
  return kPrecisions;
}

/// --device.
void add_device_option(OptionTable& table, DeviceChoice* device);
/// --threads, of each rank its own.
void add_threads_option(OptionTable& table, std::int64_t* threads);

}  // namespace anemll
