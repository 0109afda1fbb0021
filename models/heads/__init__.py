"""Members with one head for each family of conditions: boosted trees and a perceptron."""
