--- near(expected, value, within, what): raises unless a number is there, NaN included.
return function(expected, value, within, what)
  if math.abs(value - expected) <= within then return end
  error(("%s: expected %.15g +- %.1g, got %.15g"):format(what or "value", expected, within, value),
    2)
end
