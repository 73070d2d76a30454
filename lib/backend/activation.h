#pragma once

#include <cstdint>

namespace r1 {

enum class Activation : std::uint8_t { none, gelu };

// gelu(x) = x/2 (1 + tanh(u)) with 2u = slope (x + cube x^3); the slope is 2 sqrt(2/pi).
inline constexpr float kGeluSlope = 1.5957691f, kGeluCube = 0.044715f;

}  // namespace r1
