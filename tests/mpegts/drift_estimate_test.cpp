#include "mpegts/clock/drift_estimate.h"

#include <gtest/gtest.h>

#include <cmath>

namespace headgate::mpegts {
namespace {

// Lateness of a source that is so many ppm fast, with a ripple that isn't random: windows of ten seconds.
double lateness(int window, double ppm, double ripple) {
  return -ppm * 1e-6 * window * 10 + ripple * std::sin(window * 1.7);
}

TEST(DriftEstimate, FindsTheSlope) {
  DriftEstimate estimate;
  for (int i = 0; i < 100; ++i) estimate.add(i * 10, lateness(i, 70, 0.002));
  EXPECT_NEAR(estimate.rate() * 1e6, 70, 2);
  EXPECT_LT(estimate.error(), 3e-6);
}

TEST(DriftEstimate, BelievesLittleOfFewAndNoisyWindows) {
  DriftEstimate estimate;
  EXPECT_EQ(estimate.rate(), 0);
  for (int i = 0; i < 4; ++i) estimate.add(i * 10, i % 2 == 0 ? 0.2 : -0.2);
  EXPECT_LT(std::abs(estimate.rate()), 20e-6);
  EXPECT_GT(estimate.error(), 30e-6);
}

TEST(DriftEstimate, LeavesAStrayWindowOut) {
  DriftEstimate estimate;
  for (int i = 0; i < 60; ++i) estimate.add(i * 10, lateness(i, 20, 0.001) + (i % 20 == 15 ? 0.5 : 0));
  EXPECT_NEAR(estimate.rate() * 1e6, 20, 2);
}

TEST(DriftEstimate, BeginsAnewWhereTheWayChanged) {
  DriftEstimate estimate;
  for (int i = 0; i < 200; ++i) {
    estimate.add(i * 10, lateness(i, 20, 0.001) + (i >= 60 ? 0.3 : 0));
    if (i > 20) {
      EXPECT_NEAR(estimate.rate() * 1e6, 20, 8) << i;  // what was believed holds meanwhile
    }
  }
  EXPECT_LT(estimate.windows(), 141U);
  EXPECT_GT(estimate.windows(), 130U);
}

TEST(DriftEstimate, ARestartKeepsTheRate) {
  DriftEstimate estimate;
  for (int i = 0; i < 100; ++i) estimate.add(i * 10, lateness(i, -40, 0.001));
  const double before = estimate.rate();
  estimate.restart();
  EXPECT_EQ(estimate.rate(), before);
  EXPECT_EQ(estimate.windows(), 0U);
  for (int i = 0; i < 100; ++i) estimate.add(i * 10, 1000 + lateness(i, -44, 0.001));
  EXPECT_NEAR(estimate.rate() * 1e6, -44, 2);
}

TEST(DriftEstimate, ForgetsAfterAnHour) {
  DriftEstimate estimate;
  double late = 0;
  for (int i = 0; i < 1200; ++i) {
    late -= (i < 600 ? 10e-6 : 11e-6) * 10;
    estimate.add(i * 10, late);
  }
  EXPECT_NEAR(estimate.rate() * 1e6, 11, 0.1);
  EXPECT_EQ(estimate.windows(), DriftEstimate::kWindows);
}

}  // namespace
}  // namespace headgate::mpegts
